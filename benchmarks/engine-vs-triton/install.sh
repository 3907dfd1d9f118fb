#!/usr/bin/env bash
# Installs a real Triton (2.51, its Python backend alone), its Python client and perf_analyzer under DIR, once.
# Needs Python 3.12 ($ESPALIER_PYTHON, on the PATH or among pyenv's) and Debian's packages (libb64, taken apart under DIR,
# so no root); about 1 GB.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
done=$dir/requirements.txt
cmp -s "$here/requirements.txt" "$done" && exit 0

python=$("$here/../python.sh")
"$python" -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q -r "$here/requirements.txt"
site=$("$dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# perf_analyzer's own libraries: Debian's libb64, and the CUDA runtime that its wheel is linked with.
(cd "$dir" && apt-get download -q libb64-0d && dpkg -x libb64-0d_*.deb debian && rm libb64-0d_*.deb)

# The server takes its backends from a folder of its own; the stub is the interpreter of each Python model.
backends=$dir/backends/python
mkdir -p "$backends"
tritonserver=$(dirname "$(find "$site/pytriton" -path '*bin/tritonserver' -type f)")/..
cp -r "$tritonserver"/backends/python/. "$backends"
cp "$tritonserver"/python_backend_stubs/3.12/triton_python_backend_stub "$backends"
chmod +x "$backends/triton_python_backend_stub" "$tritonserver/bin/tritonserver"

libraries=$("$dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))')
libb64=$(find "$dir/debian" -name 'libb64.so*' -printf '%h\n' | head -1)
cat > "$dir/env.sh" <<EOF
# Sourced by whoever starts one of them.
TRITONSERVER="$(realpath "$tritonserver/bin/tritonserver")"
TRITON_BACKENDS="$dir/backends"
TRITON_LIBRARIES="$site/nvidia_pytriton.libs:$libraries"
PERF_ANALYZER="$dir/venv/bin/perf_analyzer"
PERF_ANALYZER_LIBRARIES="$libb64:$site/nvidia/cuda_runtime/lib"
TRITON_PYTHON="$dir/venv/bin/python"
EOF
cp "$here/requirements.txt" "$done"
