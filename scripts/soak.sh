#!/usr/bin/env bash
# Runs many more histories against the model, crashes before and after every write, and damages of any file, than a usual test run does.
#
# C2B_SOAK_CASES (5000): histories of each of four tests of the archive, and ten times as many as of the engine; and twenty times as many spoiled answers of a server. C2B_DAMAGE_CASES (2000): damages, from C2B_DAMAGE_SEED (from the clock) on.
# A failure prints the shortest history that fails, or the number of the damage.
set -euo pipefail

cd "$(dirname "$0")/.."
export C2B_SOAK_CASES=${C2B_SOAK_CASES:-5000}
export C2B_DAMAGE_CASES=${C2B_DAMAGE_CASES:-2000}
export C2B_DAMAGE_SEED=${C2B_DAMAGE_SEED:-$(date +%s)}
echo "$C2B_SOAK_CASES histories of each kind, $C2B_DAMAGE_CASES damages from number $C2B_DAMAGE_SEED on"
C2B_COUNT_MAILBOXES=${C2B_COUNT_MAILBOXES:-1000} C2B_COUNT_ITEMS=${C2B_COUNT_ITEMS:-100000} scripts/cargo.sh test --quiet --locked --package c2b-tests -- counts::
PROPTEST_CASES=$C2B_SOAK_CASES scripts/cargo.sh test --quiet --locked --package c2bd --test engine -- history::
PROPTEST_CASES=$((C2B_SOAK_CASES * 20)) scripts/cargo.sh test --quiet --locked --package c2b-ews --lib -- operation::fuzz::
exec scripts/cargo.sh test --quiet --locked --package c2b-storagefmt --test archive -- history:: crash:: damage:: faults::
