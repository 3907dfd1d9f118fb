#!/bin/sh
# Prints a folder with the load tools in their pinned versions; installs those that are missing, through Go's module proxy.
#   loadtest/tools.sh [ghz|k6|grpcurl]…     default: all three. Needs Go 1.25 or later.
set -eu
cd "$(dirname "$0")/.."
GHZ=v0.93.0
K6=v1.8.1
GRPCURL=v1.9.4

folder=$PWD/.espalier/tools/load
[ $# -gt 0 ] || set -- ghz k6 grpcurl
for tool; do
  case $tool in
    ghz) module=github.com/bojand/ghz package=$module/cmd/ghz version=$GHZ ;;
    k6) module=go.k6.io/k6 package=$module version=$K6 ;;
    grpcurl) module=github.com/fullstorydev/grpcurl package=$module/cmd/grpcurl version=$GRPCURL ;;
    *)
      echo "loadtest: $tool (expected: ghz, k6 or grpcurl)" >&2
      exit 2
      ;;
  esac
  command -v go >/dev/null 2>&1 || {
    echo "loadtest: no Go on the PATH (expected: 1.25 or later, to install $package@$version)" >&2
    exit 3
  }
  if ! go version -m "$folder/$tool" 2>/dev/null | grep -q "mod.$module.$version"; then
    echo "loadtest: installing $tool $version" >&2
    GOBIN=$folder go install "$package@$version"
  fi
done
echo "$folder"
