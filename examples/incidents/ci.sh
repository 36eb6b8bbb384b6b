#!/bin/sh
# For your CI: is the failover that is about to be deployed fit for the outages that it has to survive? Exit code 1 when not.
#
#     sh ci.sh pointsman.toml reports
#
# The pages in the second folder are for people: keep them as what the job made. Your own numbers belong here.
set -u
config=${1:-pointsman.toml}
reports=${2:-reports}
rate=${RATE:-60} # requests a minute
mkdir -p "$reports" || exit 2
failed=""

# An incident, and what must hold in it.
rehearse() {
    incident=$1
    shift
    pointsman drill "$config" --incident "$incident" --rate "$rate" --html "$reports/$incident.html" "$@" >"$reports/$incident.txt"
    case $? in
    0) ;;
    1) failed="$failed $incident" ;;
    *) exit 2 ;;
    esac
}

rehearse 2026-06-02-claude --expect 'success >= 99%' --expect 'p95-first-token <= 12s' --expect 'cost <= 1.3x'
rehearse provider-loss --expect 'success >= 99%' --expect 'attempts <= 1.5'
rehearse brown-out --expect 'success >= 95%'
rehearse rate-limit-storm --expect 'success >= 95%'

[ -z "$failed" ] || { echo "not fit for:$failed (see $reports)" >&2; exit 1; }
