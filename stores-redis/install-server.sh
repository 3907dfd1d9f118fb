#!/bin/sh
# Installs Debian's redis-server where there is none, without starting it: the tests of this module start their own.
set -eu
command -v redis-server >/dev/null 2>&1 || {
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -q >&2
  # In this runlevel the package does not start its service.
  $as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends redis-server >&2
}
redis-server --version
