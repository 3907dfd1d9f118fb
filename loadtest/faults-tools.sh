#!/bin/sh
# Installs what scenarios of loadtest/faults need beside Java, from Debian: redis-server and libfaketime.
set -eu
cd "$(dirname "$0")/.."
stores-redis/install-server.sh
[ -e /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 ] || {
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libfaketime >&2
}
