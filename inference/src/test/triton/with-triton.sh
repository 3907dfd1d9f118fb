#!/bin/sh
# Runs a command with containers and the image of Triton to be had, and tests that need them not skipped. Installs and
# starts what is missing (Debian, as root), and stops the daemon that it started.
#   with-triton.sh CMD...
# A daemon that DOCKER_HOST names, or the machine's own, is used where it answers.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if ! docker version >/dev/null 2>&1; then
  if ! command -v dockerd >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends docker.io >/dev/null
  fi
  state=$(cd "$here/../../../.." && pwd)/.espalier/docker
  run=$(mktemp -d)
  mkdir -p "$state"
  export DOCKER_HOST="unix://$run/docker.sock"
  # No network of its own: docker0 and its addresses are one for the machine, and so two daemons beside each other sent one's
  # calls to the other's container. The tests' containers have the host's loopback.
  dockerd --data-root "$state" --exec-root "$run/exec" --pidfile "$run/pid" -H "$DOCKER_HOST" --bridge none \
    --iptables=false >"$run/log" 2>&1 &
  daemon=$!
  # It leaves the host's network namespace mounted there, which containers have had.
  trap 'kill "$daemon"; wait "$daemon" || true; umount "$run"/exec/netns/* 2>/dev/null || true; rm -rf "$run"' EXIT
  trap 'exit 130' INT TERM
  tries=0
  until docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 60 ] || ! kill -0 "$daemon" 2>/dev/null; then
      cat "$run/log" >&2
      echo "dockerd: does not answer (expected: within 60 s); its log is above" >&2
      exit 1
    fi
    sleep 1
  done
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-pip >/dev/null
fi
"$here/image.sh"
# Ryuk, which removes what tests leave, is an image that no registry gives here: the tests remove what they start.
export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 ESPALIER_TRITON=required
"$@"
