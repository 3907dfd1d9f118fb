#!/usr/bin/env bash
# Installs the peers under DIR, once: one environment with Ray Serve, LitServe, BentoML, Hugging Face's transformers and
# ONNX Runtime, and a real Triton (2.51, its Python backend alone) whose models run in it.
# Needs Python 3.12 ($ESPALIER_PYTHON, on the PATH or among pyenv's); about 7 GB with PyTorch.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
TRITON=nvidia-pytriton==0.7.0
TRITON_NUMPY=numpy==1.26.4 # its Python backend was built before NumPy 2, whose arrays it misreads
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
done=$dir/requirements.txt
cmp -s "$here/requirements.txt" "$done" && exit 0

python=$("$here/../python.sh")
"$python" -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
# For its tritonserver alone: what it depends on would hold the others' NumPy back.
"$dir/venv/bin/pip" install -q --disable-pip-version-check --no-deps "$TRITON"

site=$("$dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# What Triton's models import: all of the environment but for its NumPy. The stub finds it by the PATH.
"$python" -m venv --clear --without-pip "$dir/triton"
packages=$("$dir/triton/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$dir/venv/bin/pip" install -q --disable-pip-version-check --no-deps --target "$packages" "$TRITON_NUMPY"
for package in "$site"/*; do
  case ${package##*/} in numpy | numpy-* | numpy.libs | bin) ;; *) ln -s "$package" "$packages/" ;; esac
done

# The server takes its backends from a folder of its own; the stub is the interpreter of each Python model.
backends=$dir/backends/python
mkdir -p "$backends"
tritonserver=$(dirname "$(find "$site/pytriton" -path '*bin/tritonserver' -type f)")/..
cp -r "$tritonserver"/backends/python/. "$backends"
cp "$tritonserver"/python_backend_stubs/3.12/triton_python_backend_stub "$backends"
chmod +x "$backends/triton_python_backend_stub" "$tritonserver/bin/tritonserver"
libraries=$("$dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
cat > "$dir/env.sh" <<EOF
# Sourced by whoever starts Triton.
TRITONSERVER="$(realpath "$tritonserver/bin/tritonserver")"
TRITON_BACKENDS="$dir/backends"
TRITON_LIBRARIES="$site/nvidia_pytriton.libs:$libraries"
TRITON_PATH="$dir/triton/bin"
EOF
cp "$here/requirements.txt" "$done"
