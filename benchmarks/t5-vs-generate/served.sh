#!/bin/sh
# Highest rate that a retrieval server on one core answers within a p99: TIGER in T5's shape, open loop, the driver on the
# other core. Beside it, peer.py says the same of Hugging Face `generate`.
#   served.sh DIR [BUNDLE:DECODE:BEAMS:P99_MS …]      DIR: as prepare.py made it
set -eu
folder=$1
shift
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- t5@1:fused:20:300 t5-int8@1:fused:20:300 t5@1:fused:50:300 t5-int8@1:fused:50:300
port=50982
for point in "$@"; do
  IFS=: read -r bundle decode beams slo <<EOF
$point
EOF
  taskset -c "${SERVER_CPU:-0}" ./espalier serve retrieval --data "$folder/data" --model-repo "$folder/model-repo" \
    --port $port --set decode="$decode" >/dev/null 2>"$folder/server.log" &
  server=$!
  trap 'kill $server 2>/dev/null || true' EXIT
  until ./espalier ready --target 127.0.0.1:$port >/dev/null 2>&1; do
    kill -0 $server 2>/dev/null || { cat "$folder/server.log"; exit 1; }
    sleep 1
  done
  echo "== $bundle, $decode, $beams beams, p99 within $slo ms"
  DRIVER_CPU=${DRIVER_CPU:-1} loadtest/measure.sh run --call retrieve --bundle "$bundle" --k "$beams" --beams "$beams" \
    --data "$folder/data" --target 127.0.0.1:$port --slo-ms "$slo" --first-rate 40 --seconds "${SECONDS_A_RUN:-40}" \
    --deadline-ms 5000 --out "$folder/histograms/$bundle-$decode-$beams-$slo"
  kill $server
  wait $server || true
done
