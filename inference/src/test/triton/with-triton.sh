#!/bin/sh
# Runs a command with containers and the image of Triton to be had, and tests that need them not skipped. Installs what is
# missing (Debian, as root).
#   with-triton.sh CMD...
# A docker daemon that answers is used; else there is one for as long as the command runs (.ci/with-docker).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
docker version >/dev/null 2>&1 || exec "$here/../../../../.ci/with-docker" "$here/with-triton.sh" "$@"
if ! python3 -m pip --version >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-pip >/dev/null
fi
"$here/image.sh"
# Ryuk, which removes what tests leave, is an image that no registry gives here: the tests remove what they start.
export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1 ESPALIER_TRITON=required
exec "$@"
