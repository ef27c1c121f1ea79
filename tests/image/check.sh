#!/usr/bin/env bash
# check.sh CONTAINER-CHECK: builds the image with a tool that makes its base from apt
# sources, where no registry of images can be reached, and waits for HEALTHCHECK.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd -P)
# Readable for the container's user, whatever the umask of this clone.
config=$(mktemp -d)
trap 'rm -rf "$config"' EXIT
install -m 0644 "$root/tests/image/cordgate.yaml" "$config/cordgate.yaml"
chmod 0755 "$config"
out=$config/out
"$1" -s -t 60 -o "--volume=$config:/etc/cordgate:ro" -o --read-only -o --cap-drop=ALL \
    -o --security-opt=no-new-privileges "$root" 2>&1 | tee "$out" | tail -n 40
grep -qx 'user: 65532:65532' "$out"
grep -qx 'health: healthy' "$out"
grep -qx 'exit code: 0' "$out"
