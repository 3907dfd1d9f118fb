#!/bin/sh
# Prints the Python of a virtual environment that has requirements.txt installed; makes it on first use.
#   model-repo/recipes/venv.sh [DIR]     default DIR: .espalier/venv in the repository's root
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-$here/../../.espalier/venv}
stamp=$venv/requirements.sum
sum=$(cksum < "$here/requirements.txt")
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$sum" ]; then
  python=
  for candidate in "${ESPALIER_PYTHON:-}" python3.12 python3.13 python3 "$HOME"/.pyenv/versions/3.1[23].*/bin/python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info < (3, 14))' 2>/dev/null; then
      python=$candidate
      break
    fi
  done
  if [ -z "$python" ]; then
    echo "Python: none found (expected: 3.12 or 3.13 on PATH, or its path in ESPALIER_PYTHON). Only training needs it." >&2
    exit 1
  fi
  echo "Installing the recipes' packages (once, about 6 GB with PyTorch) …" >&2
  "$python" -m venv --clear "$venv" >&2
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
  printf '%s' "$sum" > "$stamp"
fi
echo "$venv/bin/python"
