#!/usr/bin/env bash
# Sources are plain ASCII: nothing in a review can look like something it is not
# (bidirectional controls, look-alike letters). Data of tests may hold anything.
set -euo pipefail
cd "$(dirname "$0")/../.."

sources() {
    find . \( -name .git -o -name build -o -name node_modules -o -name corpus -o -name .venv \
              -o -path ./tests/data \) -prune -o -type f \
        \( -name '*.[ch]pp' -o -name '*.sh' -o -name '*.js' -o -name '*.mjs' -o -name '*.py' \
           -o -name '*.css' -o -name '*.html' -o -name '*.yaml' -o -name '*.json' -o -name '*.cmake' \
           -o -name CMakeLists.txt -o -name Dockerfile -o -name dev -o -path ./.ci/run \) -print0
}

find_non_ascii() { xargs -0 -r env LC_ALL=C grep -nP '[^\x00-\x7F]'; }

sample=$(mktemp)
trap 'rm -f "$sample"' EXIT
printf 'caf\303\251\n' > "$sample"
printf '%s\0' "$sample" | find_non_ascii > /dev/null || { echo "self-test: not found"; exit 1; }

if sources | find_non_ascii; then
    echo "ascii: the lines above hold other than ASCII; write \\u escapes, or move them to tests/data"
    exit 1
fi
