#!/bin/sh
# Fills the corpora of cargo-fuzz's targets from the fixtures.
set -eu
cd "$(dirname "$0")"
cargo run --quiet --example seed -- targets/corpus
ls targets/corpus | while read -r target; do
    echo "$target: $(ls "targets/corpus/$target" | wc -l) files"
done
