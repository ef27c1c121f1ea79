#!/usr/bin/env bash
# What 1,000,000 sessions cost in SQLite and in Redis, and what a login costs.
# `bench/sessions.sh --help` lists what can be chosen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cmake -S . -B build/bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCORDGATE_TESTS=OFF -DCORDGATE_BENCH=ON > /dev/null
cmake --build build/bench --target cordgate discord-sim session_store -- --quiet | { grep -v '^ninja: no work' || true; }
exec env PYTHONDONTWRITEBYTECODE=1 python3 bench/sessions.py --programs build/bench "$@"
