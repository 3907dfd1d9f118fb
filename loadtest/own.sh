# shellcheck shell=sh
# Sourced by scripts that start servers: what they measure must be these, not whatever answers at the port.

# still_own PID…: ends the script with 4 where one of them ended.
still_own() {
  for pid; do
    if ! kill -0 "$pid" 2>/dev/null; then
      echo "loadtest: a server that was started here has ended (expected: it serves until all is measured; is its" \
        "port taken?); logs are in $work" >&2
      exit 4
    fi
  done
}

# await_own LOG PORT PID…: until the one that writes LOG says that it listens at the port, and is SERVING.
await_own() {
  log=$1 address=127.0.0.1:$2
  shift 2
  waited=0
  until grep -Eq "(is up|listens) at $address(,|\$)" "$log" && ./espalier ready --target "$address" >/dev/null 2>&1; do
    still_own "$@"
    waited=$((waited + 1))
    if [ "$waited" -gt 120 ]; then
      echo "loadtest: no router is SERVING at $address after 120 tries; logs are in $work" >&2
      exit 4
    fi
    sleep 1
  done
  still_own "$@"
}
