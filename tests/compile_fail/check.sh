#!/usr/bin/env bash
# check.sh COMPILER SNIPPET: the snippet compiles without the line marked `// wrong:`,
# and with it fails for the reason that follows the mark (a regex).
#
# The first half is what gives the second its meaning: nothing else is wrong with it.
set -euo pipefail
compiler=$1 snippet=$2
root=$(cd "$(dirname "$0")/../.." && pwd)

compile() { "$compiler" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -I "$root" -x c++ - 2>&1; }

reason=$(sed -n 's|.*// wrong: ||p' "$snippet")
[ -n "$reason" ] || { echo "no line is marked '// wrong: REASON'"; exit 1; }
grep -v '// wrong: ' "$snippet" | compile || { echo "does not compile even without the wrong line"; exit 1; }
if out=$(compile < "$snippet"); then
    echo "compiles, but must not"
    exit 1
fi
grep -qE "$reason" <<< "$out" || { echo "fails for another reason than '$reason':"; echo "$out"; exit 1; }
