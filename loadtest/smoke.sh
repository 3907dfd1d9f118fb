#!/usr/bin/env bash
# Both tools against both shapes of the cluster, briefly: do the profiles still run, does every call answer?
# Not how fast, nor how much of an answer a busy machine leaves out.
#   PORT   the router's; the other servers take the next four (default: five that are free)
set -euo pipefail
cd "$(dirname "$0")"

is_free() { ! (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Below the ports that the kernel hands out to connections.
free_ports() {
  local first port
  for first in $(seq $((20000 + $$ % 2000 * 5)) 5 32700); do
    for port in "$first" $((first + 1)) $((first + 2)) $((first + 3)) $((first + 4)); do
      is_free "$port" || continue 2
    done
    echo "$first"
    return
  done
  echo "loadtest: no five ports are free (expected: some from 20000 to 32700; or give PORT)" >&2
  return 1
}
PORT=${PORT:-$(free_ports)}
for shape in up separate; do
  RATE=${RATE:-5} DURATION=${DURATION:-5s} TIMEOUT=20s MAX_DEGRADED=1 PORT=$PORT ./run.sh "$shape" both
done
