#!/bin/sh
# Applies every overlay to a real control plane with simulated nodes and watches a rollout, an undo, drains and a scale-out.
#   k8s/control-plane/run.sh [DIR]     DIR keeps the binaries (.espalier/control-plane): built in about 20 minutes the first time
# Prints tables; exits with 1 where something was not as promised. The cluster listens on loopback and is gone afterwards.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/.espalier/control-plane}
"$here/build.sh" "$out"
prometheus=$("$root/k8s/monitoring/tools.sh")/prometheus
"$root/k8s/crds.sh" "$out/crds"
kwok=$(cd / && go mod download -json "sigs.k8s.io/kwok@$(sed -n 's/^KWOK=//p' "$here/build.sh")" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$here/trial.py" "$out/bin" "$work" "$prometheus" "$out/crds" "$kwok/kustomize/stage"
