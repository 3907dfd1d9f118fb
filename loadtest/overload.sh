#!/bin/sh
# Starts a cluster of one process on the built-in shop with an adaptive limit, finds its knee, asks for two and three
# times that, and stops it.
#   loadtest/overload.sh [OPTIONS of loadtest/measure.sh overload]
#   SERVER_CPU, DRIVER_CPU   the cores that the two keep to (default: any)
#   ADMISSION                further settings of the limit, KEY=VALUE separated by blanks
#   PORT                     the router's; the catalogue's writer takes PORT + 4 (default: 7700)
set -eu
cd "$(dirname "$0")/.."
. loadtest/limited.sh
against_limited overload "$@"
