# shellcheck shell=sh
# Sourced by scripts that drive a cluster of one process with an adaptive limit, which they start on the built-in shop.
. loadtest/own.sh

# against_limited COMMAND [OPTION…]: starts the cluster, runs a command of the driver against it, and stops it.
against_limited() {
  command=$1
  shift
  PORT=${PORT:-7700}
  work=.espalier/loadtest
  mkdir -p "$work"
  ./espalier --version >/dev/null
  [ -f .espalier/shop/sequences.tsv ] || ./espalier shop
  settings=
  for setting in adaptive=true ${ADMISSION:-}; do settings="$settings --admission $setting"; done
  server_log=$work/$command-server.log
  # Now: what an earlier one printed is not this one's word.
  : >"$server_log"
  # shellcheck disable=SC2086 # the settings are words
  ESPALIER_NO_BUILD=1 ${SERVER_CPU:+taskset -c "$SERVER_CPU"} ./espalier up --port "$PORT" --catalog-port $((PORT + 4)) \
    $settings >"$server_log" 2>&1 &
  server=$!
  trap stop EXIT
  trap 'exit 130' INT TERM
  await_own "$server_log" "$PORT" "$server"
  loadtest/measure.sh "$command" --target "127.0.0.1:$PORT" "$@"
  still_own "$server"
}

stop() {
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}
