#!/bin/sh
# Starts a cluster on the built-in shop, runs a load tool against it, and stops it.
#   loadtest/run.sh up|separate ghz|k6|both
#   RATE (requests a second, of each kind), DURATION, PORT (the router's; the servers take the next four),
#   TIMEOUT (of a call), MAX_DEGRADED (share of answers; more than that fails k6's run)
set -eu
cd "$(dirname "$0")/.."
shape=${1:-up}
tool=${2:-both}
RATE=${RATE:-20}
DURATION=${DURATION:-20s}
PORT=${PORT:-7700}
TIMEOUT=${TIMEOUT:-2s}
MAX_DEGRADED=${MAX_DEGRADED:-0.001}
work=.espalier/loadtest
mkdir -p "$work"
. loadtest/own.sh
case $tool in
  ghz | k6) tools=$(loadtest/tools.sh "$tool") ;;
  both) tools=$(loadtest/tools.sh ghz k6) ;;
  *)
    echo "loadtest: $tool (expected: ghz, k6 or both)" >&2
    exit 2
    ;;
esac

pids=
start() {
  name=$1
  shift
  # Now: what an earlier one printed is not this one's word.
  : >"$work/$name.log"
  ESPALIER_NO_BUILD=1 ./espalier "$@" >"$work/$name.log" 2>&1 &
  pids="$pids $!"
}
stop() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  wait
}
trap stop EXIT
trap 'exit 130' INT TERM

# Builds, and generates the shop, before anything is measured.
./espalier --version >/dev/null
[ -f .espalier/shop/sequences.tsv ] || ./espalier shop

case $shape in
  up)
    start up up --port "$PORT" --catalog-port $((PORT + 4))
    ;;
  separate)
    rewrite=$((PORT + 3)) retrieval=$((PORT + 1)) ranking=$((PORT + 2))
    start rewrite serve rewrite --port $rewrite
    start retrieval serve retrieval --port $retrieval
    start ranking serve ranking --port $ranking
    start router serve router --port "$PORT" --peer "rewrite=127.0.0.1:$rewrite" \
      --peer "retrieval=127.0.0.1:$retrieval" --peer "ranking=127.0.0.1:$ranking"
    ;;
  *)
    echo "loadtest: $shape (expected: up or separate)" >&2
    exit 2
    ;;
esac

router_log=$work/router.log
[ "$shape" = separate ] || router_log=$work/up.log
# shellcheck disable=SC2086 # process ids
await_own "$router_log" "$PORT" $pids

cut -f1 .espalier/shop/sequences.tsv | head -n 2000 >"$work/users.txt"
awk -F'\t' '$1 == "test" && !seen[$2]++ { print $2 }' .espalier/shop/queries.tsv | head -n 2000 >"$work/queries.txt"
awk '{ gsub(/["\\]/, "\\\\&"); printf "%s{\"query\":\"%s\",\"options\":{\"page_size\":20}}", (NR == 1 ? "[" : ","), $0 }
  END { print "]" }' "$work/queries.txt" >"$work/queries.json"
awk '{ printf "%s{\"user\":{\"id\":\"%s\"},\"options\":{\"page_size\":20}}", (NR == 1 ? "[" : ","), $0 }
  END { print "]" }' "$work/users.txt" >"$work/users.json"

run_ghz() {
  for call in recommend search; do
    data=$work/users.json
    [ "$call" = recommend ] || data=$work/queries.json
    echo "== ghz $call, $shape, $RATE requests/s for $DURATION"
    "$tools/ghz" --config "loadtest/ghz-$call.json" --rps "$RATE" --duration "$DURATION" --timeout "$TIMEOUT" --data-file "$data" \
      "127.0.0.1:$PORT" >"$work/ghz-$call.txt"
    cat "$work/ghz-$call.txt"
    # ghz exits 0 whatever the answers were.
    if grep -A100 'Status code distribution' "$work/ghz-$call.txt" | grep '^ *\[' | grep -vq '\[OK\]'; then
      echo "loadtest: ghz saw answers other than OK (expected: none)" >&2
      exit 1
    fi
  done
}

run_k6() {
  echo "== k6, $shape, $RATE requests/s of each kind for $DURATION"
  "$tools/k6" run --quiet -e TARGET="127.0.0.1:$PORT" -e RATE="$RATE" -e DURATION="$DURATION" \
    -e TIMEOUT="$TIMEOUT" -e MAX_DEGRADED="$MAX_DEGRADED" \
    -e USERS="$PWD/$work/users.txt" -e QUERIES="$PWD/$work/queries.txt" loadtest/k6.js
}

case $tool in
  ghz) run_ghz ;;
  k6) run_k6 ;;
  both)
    run_ghz
    run_k6
    ;;
esac
# shellcheck disable=SC2086 # process ids
still_own $pids
