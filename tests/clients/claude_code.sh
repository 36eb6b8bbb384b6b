#!/usr/bin/env bash
# Runs Claude Code in print mode against a gateway, and prints its answer: claude_code.sh BASE_URL MODEL WORKDIR PROMPT [TOOLS]
#
# It starts from a fresh home inside WORKDIR and needs no network but BASE_URL. `npm install` in tests/clients/node brings
# it; CLAUDE names another executable. TOOLS may run, as --allowedTools has them: Read alone, or for a session of several
# steps "Read,Bash(cat:*)". All tools stand in the request, as with a user: hence a hook, as --allowedTools alone lets
# harmless shell commands through, and --tools or a denial would take the others off the list.
#
# A session has as many steps as its files ask for: where a result has a line with `then use tool Read with {…}`, the fake
# calls that next, all of them at once if there are several; what asks for nothing more, it reads out as the answer.
set -euo pipefail

if [ $# -lt 4 ] || [ $# -gt 5 ]; then
    echo "usage: $0 BASE_URL MODEL WORKDIR PROMPT [TOOLS]" >&2
    exit 2
fi
base_url=$1 model=$2 workdir=$3 prompt=$4 tools=${5:-Read}
claude=$(realpath -m -- "${CLAUDE:-$(dirname "$0")/node/node_modules/.bin/claude}")
if ! [ -x "$claude" ]; then
    echo "$0: no Claude Code at $claude: run \`npm install\` in tests/clients/node" >&2
    exit 2
fi

names=$(sed 's/([^)]*)//g; s/,/|/g' <<<"$tools")
only_these='{"hooks": {"PreToolUse": [{"matcher": "^(?!('$names')$)", "hooks": [
    {"type": "command", "command": "echo this tool may not run here >&2; exit 2"}]}]}}'
cd -- "$workdir"
home=$(mktemp -d "$PWD/home.XXXXXX")
mkdir "$home/config" "$home/tmp"
# Nothing of the caller's environment but the path: no keys, no proxies, no settings.
exec timeout --kill-after=5 90 env -i \
    PATH="$PATH" HOME="$home" TMPDIR="$home/tmp" CLAUDE_CONFIG_DIR="$home/config" \
    ANTHROPIC_BASE_URL="$base_url" ANTHROPIC_API_KEY=test-key ANTHROPIC_MODEL="$model" \
    DISABLE_TELEMETRY=1 DISABLE_ERROR_REPORTING=1 DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
    "$claude" -p --model "$model" --allowedTools "$tools" --settings "$only_these" -- "$prompt" </dev/null
