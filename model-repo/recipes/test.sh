#!/bin/sh
# Runs the recipes' tests in their pinned environment.
set -eu
cd "$(dirname "$0")"
python=$(./venv.sh)
exec "$python" -m pytest -q "$@" tests
