#!/usr/bin/env bash
# Installs the clients that the tests drive: install.sh FOLDER. What is installed already, at the same versions, stays.
set -euo pipefail
sources=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder/python" "$folder/node"
exec 9>"$folder/lock"
flock 9
cp "$sources"/python/*.py "$folder/python/"
cp "$sources"/node/*.mjs "$sources/node/package.json" "$sources/node/.npmrc" "$folder/node/"

wanted=$(cat "$sources/python/requirements.txt" "$sources/node/package.json" | sha256sum)
[ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && exit 0
python3 -m venv --clear "$folder/venv" >&2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$sources/python/requirements.txt" >&2
(cd "$folder/node" && npm install --no-audit --no-fund --loglevel=error >&2)
printf '%s\n' "$wanted" >"$folder/installed"
