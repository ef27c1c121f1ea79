#!/usr/bin/env bash
# Nothing in the project names the machine it was made on, a package registry's
# host or a mirror: a clone must build wherever it lands, with that place's set-up.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Brackets keep this file from finding itself.
words='registry[.]npmjs[.]org|files[.]pythonhosted[.]org|pypi[.]org|deb[.]debian[.]org|proxy[.]golang[.]org'
words+='|(^|[^A-Za-z0-9_.-])[/]work/(main|shared|[.]library)|[.][.]/shared/|CONTRACT[.]md|(^|[^A-Za-z0-9_])[/]tmp/h/|[/]root/[.]'

look() { grep -rnIE --exclude-dir=.git --exclude-dir=build --exclude-dir=node_modules \
             --exclude-dir=.venv --exclude-dir=.cache "$words" "$@"; }

sample=$(mktemp)
trap 'rm -f "$sample"' EXIT
printf '"resolved": "https://registry%snpmjs%sorg/x"\n' . . > "$sample"
look "$sample" > /dev/null || { echo "self-test: not found"; exit 1; }

if look .; then
    echo "machine: the lines above belong to one machine, not to the project"
    exit 1
fi
