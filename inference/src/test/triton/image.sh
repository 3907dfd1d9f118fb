#!/bin/sh
# Makes the image espalier-triton of the tests: the real tritonserver of the nvidia-pytriton wheel over a few packages of
# Debian 12, and backend.py in the place of its ONNX Runtime backend, which the wheel lacks. Model folders load unchanged.
#   image.sh        needs docker and Debian's apt and python3-pip; does nothing where the image is as it would be made
set -eu
here=$(cd "$(dirname "$0")" && pwd)
image=espalier-triton:2.51
inputs=$(cat "$here/image.sh" "$here/backend.py" | cksum | cut -d' ' -f1)
if [ "$(docker image inspect --format '{{index .Config.Labels "inputs"}}' "$image" 2>/dev/null)" = "$inputs" ]; then
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$work/debs" "$root/tmp" "$root/models" "$root/hold"
chmod 1777 "$root/tmp"

apt-cache show libpython3.11 >/dev/null 2>&1 || apt-get update -qq
# Every package that these need, whether this machine has it or not. Unpacked, not installed: no script of theirs runs.
apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  bash libpython3.11 libstdc++6 | grep '^[a-z]' | grep -v ':' | sort -u >"$work/names"
xargs apt-cache policy <"$work/names" | awk '/^[a-z]/ { name = $1; sub(":$", "", name) } /Candidate: [^(]/ { print name }' |
  grep -v -e '^debconf' -e '^cdebconf' -e '^dpkg$' -e '^perl' >"$work/wanted"
# Its own user would not be let into the folder.
(cd "$work/debs" && xargs apt-get -qq -o APT::Sandbox::User=root download <"$work/wanted")
for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$root"; done

# The ONNX Runtime is the embedded engine's version, so that both give the same numbers. Triton's Python looks at no
# PYTHONPATH.
packages=/usr/local/lib/python3.11/dist-packages
python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --no-compile \
  --target "$root$packages" \
  --python-version 3.11 --implementation cp --only-binary=:all: \
  --platform manylinux_2_35_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
  nvidia-pytriton==0.7.0 numpy==1.26.4 onnxruntime==1.29.0
at=$packages/pytriton/tritonserver
server=$root$at
cp "$server/python_backend_stubs/3.11/triton_python_backend_stub" "$server/backends/python/"
rm -rf "$server/python_backend_stubs"
chmod +x "$server/bin/tritonserver" "$server/backends/python/triton_python_backend_stub"
mkdir "$server/backends/onnxruntime"
cp "$here/backend.py" "$server/backends/onnxruntime/model.py"

# ONNX Runtime's telemetry ends a process without a report (decision 0009).
tar -C "$root" -c . | docker import \
  --change "ENV PATH=/usr/bin:/bin LD_LIBRARY_PATH=$packages/nvidia_pytriton.libs ORT_DISABLE_TELEMETRY=1" \
  --change "ENTRYPOINT [\"$at/bin/tritonserver\", \"--backend-directory=$at/backends\", \"--model-repository=/models\"]" \
  --change "LABEL inputs=$inputs" --change "EXPOSE 8001 8002" - "$image" >/dev/null
docker image prune --force --filter label=inputs >/dev/null
