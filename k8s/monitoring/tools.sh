#!/bin/sh
# Prints a folder with Debian's prometheus and promtool; unpacks them there, without their service, unless they are on the path.
#   PATH="$(k8s/monitoring/tools.sh):$PATH"     needs apt-get and dpkg
set -eu
cd "$(dirname "$0")/../.."
if found=$(command -v promtool) && command -v prometheus >/dev/null; then
  dirname "$found"
  exit 0
fi
folder=$PWD/.espalier/tools/prometheus
if [ ! -x "$folder/usr/bin/promtool" ]; then
  command -v apt-get >/dev/null 2>&1 || {
    echo "monitoring: no apt-get (expected: Debian's, or prometheus and promtool on the PATH)" >&2
    exit 3
  }
  echo "monitoring: fetching Debian's prometheus" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && { apt-get -q download prometheus || { apt-get -q update && apt-get -q download prometheus; }; }) >&2
  dpkg-deb -x "$folder"/prometheus_*.deb "$folder"
  rm "$folder"/prometheus_*.deb
fi
echo "$folder/usr/bin"
