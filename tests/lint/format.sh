#!/usr/bin/env bash
# C++ sources look as .clang-format says. Repair with: clang-format -i FILE...
set -euo pipefail
cd "$(dirname "$0")/../.."

tool=$(command -v clang-format-14 || command -v clang-format) ||
    { echo "format: clang-format is missing; './dev lint' installs it"; exit 1; }
find core store config proxy cmd tests bench -name node_modules -prune -o -name '*.[ch]pp' -print0 2>/dev/null |
    xargs -0 -r "$tool" --dry-run -Werror
