#!/usr/bin/env bash
# Runs one libFuzzer target: `tests/fuzz/run.sh TARGET [SECONDS]`, 600 seconds unless said
# otherwise. Needs the nightly compiler and cargo-fuzz. The corpus grows in tests/fuzz/corpus, what
# ends the program lies in tests/fuzz/artifacts; mend it and add it to tests/golden/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
seconds=${2:-600}
cp ../Cargo.lock fuzz/Cargo.lock
features=()
[[ $target == settings ]] && features=(--features window)
corpus=fuzz/corpus/$target
mkdir -p "$corpus"
export POSELENS_FUZZ_CORPUS=$PWD/$corpus
cargo +nightly fuzz run --fuzz-dir fuzz --sanitizer none "${features[@]}" "$target" "$corpus" -- \
    -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1
