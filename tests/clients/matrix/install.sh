#!/usr/bin/env bash
# Installs the clients of the matrix: install.sh FOLDER. What is installed already, at the same versions, stays.
set -euo pipefail
sources=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
cp "$sources"/*.py "$sources"/*.mjs "$sources/package.json" "$sources/../node/.npmrc" "$folder/"

wanted=$(cat "$sources/requirements.txt" "$sources/package.json" | sha256sum)
[ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && exit 0
python3 -m venv --clear "$folder/venv" >&2
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check -r "$sources/requirements.txt" >&2
(cd "$folder" && npm install --no-audit --no-fund --loglevel=error >&2)
printf '%s\n' "$wanted" >"$folder/installed"
