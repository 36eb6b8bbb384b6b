#!/bin/sh
# Makes night_shift.wasm. Needs Python 3.11 or newer with venv.
set -eu
cd "$(dirname "$0")"
[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --requirement requirements.txt

contract="--wit-path ../../../wit --world routing-policy"
# The contract as Python classes, for the unit tests and for the editor.
rm -rf bindings
.venv/bin/componentize-py --quiet $contract bindings bindings
# `--stub-wasi`: CPython would import a clock, files and more; a policy may import nothing.
.venv/bin/componentize-py --quiet $contract componentize --stub-wasi --output night_shift.wasm policy
