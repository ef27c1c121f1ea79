#!/usr/bin/env bash
# CPU per request, throughput and latency of Cordgate beside nginx, HAProxy and a
# bare relay: the same work for each in turn, several rounds, medians and ratios.
#   bench/run.sh [--rounds N] [--seconds N] [--connections N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCORDGATE_TESTS=OFF -DCORDGATE_BENCH=ON > /dev/null
cmake --build build/bench --target cordgate discord-sim bare_relay -- --quiet
exec python3 bench/bench.py --programs build/bench "$@"
