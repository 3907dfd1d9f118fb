#!/bin/sh
# Starts a cluster of one process on the built-in shop with an adaptive limit, finds its knee, asks for two and three
# times that, and stops it.
#   loadtest/overload.sh [OPTIONS of loadtest/measure.sh overload]
#   SERVER_CPU, DRIVER_CPU   the cores that the two keep to (default: any)
#   ADMISSION                further settings of the limit, KEY=VALUE separated by blanks
#   PORT                     the router's; the catalogue's writer takes PORT + 4 (default: 7700)
set -eu
cd "$(dirname "$0")/.."
PORT=${PORT:-7700}
work=.espalier/loadtest
mkdir -p "$work"
. loadtest/own.sh
./espalier --version >/dev/null
[ -f .espalier/shop/sequences.tsv ] || ./espalier shop
settings=
for setting in adaptive=true ${ADMISSION:-}; do settings="$settings --admission $setting"; done
# Now: what an earlier one printed is not this one's word.
: >"$work/overload-server.log"
# shellcheck disable=SC2086 # the settings are words
ESPALIER_NO_BUILD=1 ${SERVER_CPU:+taskset -c "$SERVER_CPU"} ./espalier up --port "$PORT" --catalog-port $((PORT + 4)) $settings \
  >"$work/overload-server.log" 2>&1 &
server=$!
stop() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM
await_own "$work/overload-server.log" "$PORT" "$server"
loadtest/measure.sh overload --target "127.0.0.1:$PORT" "$@"
still_own "$server"
