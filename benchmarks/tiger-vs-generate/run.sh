#!/bin/sh
# Runs the comparison in the recipes' environment plus this folder's requirements.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
python=$("$root/model-repo/recipes/venv.sh")
"$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
"$root/proto/lint.sh" >/dev/null
"$root/espalier" --version >/dev/null
exec "$python" "$here/run.py" "$@"
