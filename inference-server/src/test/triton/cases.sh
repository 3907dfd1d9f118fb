#!/usr/bin/env bash
# Asks a real Triton the table of cases: cases.sh DIR [--update], DIR as benchmarks/engine-vs-triton/install.sh made it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$1/env.sh"
shift
table=$here/../resources/triton
port=${PORT:-18101}
work=$(mktemp -d)
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$work"' EXIT

load=()
for config in "$table"/models/*.pbtxt; do
  model=$(basename "$config" .pbtxt)
  mkdir -p "$work/models/$model/1"
  { echo 'backend: "python"'; cat "$config"; } > "$work/models/$model/config.pbtxt"
  cp "$here/model.py" "$work/models/$model/1"
  [ "$model" = broken ] || load+=("--load-model=$model")
done
PATH="$(dirname "$TRITON_PYTHON"):$PATH" LD_LIBRARY_PATH=$TRITON_LIBRARIES \
  PYTHONPATH=$("$TRITON_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
  "$TRITONSERVER" --model-repository="$work/models" --backend-directory="$TRITON_BACKENDS" \
  --model-control-mode=explicit "${load[@]}" --allow-http=false --allow-metrics=false \
  --grpc-address=127.0.0.1 --grpc-port="$port" > "$work/log" 2>&1 &
server=$!
"$TRITON_PYTHON" - "127.0.0.1:$port" <<'PY' || { tail -n 20 "$work/log" >&2; exit 1; }
import sys, time
import tritonclient.grpc as triton
client = triton.InferenceServerClient(sys.argv[1])
for _ in range(120):
    try:
        sys.exit(0 if client.is_server_ready() else 1)
    except triton.InferenceServerException:
        time.sleep(0.25)
sys.exit("tritonserver: not ready after 30 s")
PY
"$TRITON_PYTHON" "$here/cases.py" "127.0.0.1:$port" "$table/cases.jsonl" "$@"
