#!/bin/sh
# make-root.sh PROGRAM FOLDER: FOLDER becomes the file system of an image that runs
# PROGRAM as /usr/bin/NAME: its shared libraries, CA certificates, the user 65532.
#
# Each library's Debian package is noted under /var/lib/dpkg/status.d with its version
# and its licence is kept, so that scanners of vulnerabilities see what is inside.
set -eu
program=$1 root=$2

mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/etc/ssl/certs" "$root/etc/cordgate" "$root/var/lib/dpkg/status.d" "$root/tmp"
ln -s usr/lib "$root/lib"
ln -s usr/lib "$root/lib64"
chmod 1777 "$root/tmp"
strip -o "$root/usr/bin/$(basename "$program")" "$program"

packages=ca-certificates
for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    # The loader is looked for under /lib64, the others under /lib/TRIPLET.
    folder=$(dirname "$library" | sed 's|^/usr||; s|^/lib64|/lib|')
    mkdir -p "$root/usr$folder"
    cp -L "$library" "$root/usr$folder/"
    packages="$packages $(dpkg -S "$(realpath "$library")" | cut -d: -f1)"
done
for package in $(printf '%s\n' $packages | sort -u); do
    dpkg -s "$package" > "$root/var/lib/dpkg/status.d/$package"
    mkdir -p "$root/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/" 2> /dev/null || true
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'cordgate:x:65532:65532::/var/lib/cordgate:/nonexistent' > "$root/etc/passwd"
echo 'cordgate:x:65532:' > "$root/etc/group"
echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
cp /etc/os-release "$root/etc/"
install -d -o 65532 -g 65532 -m 0750 "$root/var/lib/cordgate"

# The copy must run where it will be: a library that is missing is found now.
chroot "$root" "/usr/bin/$(basename "$program")" version
