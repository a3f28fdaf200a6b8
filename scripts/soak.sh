#!/usr/bin/env bash
# Runs many more histories against the model, and a crash before and after every write, than a usual test run does.
#
# C2B_SOAK_CASES (5000): histories of each kind. A failure prints the shortest history that fails.
set -euo pipefail

cd "$(dirname "$0")/.."
export C2B_SOAK_CASES=${C2B_SOAK_CASES:-5000}
exec scripts/cargo.sh test --quiet --locked --package c2b-storagefmt --test archive -- history:: crash::
