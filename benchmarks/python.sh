#!/usr/bin/env bash
# Prints a Python 3.12, the one that Triton's Python backend was built for: $ESPALIER_PYTHON, on the PATH or among pyenv's.
set -euo pipefail
for candidate in "${ESPALIER_PYTHON:-}" python3.12 "$HOME"/.pyenv/versions/3.12.*/bin/python; do
  if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
    echo "$candidate"
    exit
  fi
done
echo "Python 3.12: none found (expected: python3.12 on the PATH, or its path in ESPALIER_PYTHON)" >&2
exit 1
