#!/usr/bin/env bash
# run.sh FOLDER-OF-PROGRAMS [WORD]: installs Node-RED (npm) and Datasette (pip) in a temporary folder
# and compares what they do alone with what they do behind the gate, in a real browser. It needs the
# network, Node.js, Python 3, openssl, nginx, caddy and Chromium (CHROMIUM=..., default
# /usr/bin/chromium), and is not part of `./dev test`. WORD: node-red, datasette or recipes only.
# APPS_HOME=FOLDER keeps what was installed. Ends with 'N passed, N failed'.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
programs=$(cd "${1:-$here/../../build/release}" && pwd -P)
home=${APPS_HOME:-$(mktemp -d)}
mkdir -p "$home"
if [ -z "${APPS_HOME:-}" ]; then trap 'rm -rf "$home"' EXIT; fi

if [ ! -d "$home/node_modules/node-red" ]; then
    echo '{"private": true}' > "$home/package.json"
    npm install --prefix "$home" --no-audit --no-fund --loglevel=error \
        node-red@4.1.15 playwright-core@1.65.1 ws@8
fi
if [ ! -x "$home/venv/bin/datasette" ]; then
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install -q --disable-pip-version-check datasette==0.65.5 datasette-auth-headers==0.1.0
fi

# Modules are looked for beside the importing file, so the comparison runs from there.
rm -rf "$home/work"
mkdir "$home/work"
cp "$here"/*.mjs "$home/"
cd "$home"
node compare.mjs "$programs" "$home" "${2:-}"
