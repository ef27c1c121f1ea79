#!/usr/bin/env bash
# Where the time of a request goes: instructions per request and the heaviest functions
# (callgrind), system calls per request (strace), and samples with the kernel's share (perf,
# where the machine lets it).
#   bench/profile.sh [--requests N] [--path /small] [--only callgrind,calls,samples]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake -S . -B build/profile -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-g \
    -DCORDGATE_TESTS=OFF -DCORDGATE_BENCH=ON > /dev/null
cmake --build build/profile --target cordgate discord-sim bench_programs -- --quiet | { grep -v '^ninja: no work' || true; }
exec env PYTHONDONTWRITEBYTECODE=1 python3 bench/profile.py --programs build/profile "$@"
