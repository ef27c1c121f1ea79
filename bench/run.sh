#!/usr/bin/env bash
# Cordgate beside nginx, HAProxy, Caddy and a bare relay: the same work for each in turn,
# several rounds, medians and ratios. One case in seconds, while tuning:
#   bench/run.sh --only small --rounds 3 --seconds 2
# `bench/run.sh --help` lists the rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCORDGATE_TESTS=OFF -DCORDGATE_BENCH=ON > /dev/null
cmake --build build/bench --target cordgate discord-sim bench_programs -- --quiet | { grep -v '^ninja: no work' || true; }
exec env PYTHONDONTWRITEBYTECODE=1 python3 bench/bench.py --programs build/bench "$@"
