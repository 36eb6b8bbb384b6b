#!/bin/sh
# Fuzzes for so many seconds each codec, each framing and the rest, one after the other: see README.md.
set -eu
cd "$(dirname "$0")"
seconds=${1:-60}
runs="body:anthropic-messages body:openai-chat body:openai-responses body:gemini
    reply:anthropic-messages reply:openai-chat reply:openai-responses reply:gemini reply:bedrock-converse reply:ollama
    framing:sse framing:ndjson framing:aws-event-stream error:all call:all"
[ $# != 3 ] || runs="$2:$3"

# cargo-fuzz passes flags that only nightly Rust takes, or a stable one that is told so. There is no unsafe code that a
# sanitizer could watch.
RUSTC_BOOTSTRAP=1 cargo fuzz build --sanitizer none --fuzz-dir targets
built=targets/target/$(rustc -vV | sed -n 's/^host: //p')/release
mkdir -p targets/artifacts

# `all`: the first byte draws one.
name() {
    unset POINTSMAN_FUZZ_SUBJECT
    [ "$1" = all ] || export POINTSMAN_FUZZ_SUBJECT="$1"
}

# All that is compiled is compiled before the first run, so that the code may change meanwhile.
for run in $runs; do
    name "${run#*:}"
    cargo run --quiet --example seed -- "targets/corpus/${run#*:}"
done
for run in $runs; do
    target=${run%:*} subject=${run#*:}
    name "$subject"
    log=targets/corpus/$subject/$target.log
    good="no findings"
    "$built/$target" "targets/corpus/$subject/$target" -artifact_prefix="targets/artifacts/$target-$subject-" \
        -max_total_time="$seconds" -timeout=10 -print_final_stats=1 >"$log" 2>&1 || good="FAILED: tests/fuzz/$log"
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$target $subject: ${executions:-?} executions, $good"
done
