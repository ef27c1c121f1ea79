#!/usr/bin/env bash
# Scripts pass shellcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."

command -v shellcheck > /dev/null || { echo "shell: shellcheck is missing; './dev lint' installs it"; exit 1; }
scripts=(dev)
[ ! -f .ci/run ] || scripts+=(.ci/run)
while IFS= read -r script; do scripts+=("$script"); done < <(
    find tests bench deploy examples -name node_modules -prune -o -name '*.sh' -print 2> /dev/null | sort)
shellcheck --severity=warning "${scripts[@]}"
