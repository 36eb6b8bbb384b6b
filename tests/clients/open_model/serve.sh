#!/usr/bin/env bash
# A real server of open models, with a made-up model: serve.sh FOLDER [PORT]. Installs llama.cpp's server below FOLDER, once,
# makes the model, and becomes the server, on loopback: `ready URL` when it answers. It ends when it is killed, and when its
# input ends: whoever starts it holds a pipe to it. Exit code 69: it could not be installed here.
set -euo pipefail
sources=$(cd "$(dirname "$0")" && pwd)
folder=$1
port=${2:-0}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

install() {
    timeout 60 python3 -m venv --clear "$folder/venv" &&
        timeout 240 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --retries 1 \
            -r "$sources/requirements.txt" &&
        timeout 60 "$folder/venv/bin/python" -c 'import gguf, xllamacpp'
}

exec 9>"$folder/lock"
flock 9
wanted=$(cat "$sources/requirements.txt" "$sources/make_model.py" | sha256sum)
if [ "$(cat "$folder/installed" 2>/dev/null)" != "$wanted" ]; then
    install >&2 </dev/null || exit 69
    "$folder/venv/bin/python" "$sources/make_model.py" "$folder/model.gguf"
    printf '%s\n' "$wanted" >"$folder/installed"
fi
exec 9>&-
exec "$folder/venv/bin/python" "$sources/serve.py" "$folder/model.gguf" "$port"
