#!/usr/bin/env bash
# Measures the archive alone, on the organisation corpus, beside other backup programs.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=${C2B_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/c2b}
C2B_ORGANISATION=$(
    scripts/cargo.sh build --quiet --locked --release -p c2b-storagefmt --bench organisation --message-format=json-render-diagnostics |
        python3 -c 'import json, sys; print(next(path for path in (json.loads(line).get("executable") for line in sys.stdin) if path))'
)
export C2B_ORGANISATION C2B_BENCH_DIR=${C2B_BENCH_DIR:-$cache/bench}
exec python3 tests/bench/archive.py
