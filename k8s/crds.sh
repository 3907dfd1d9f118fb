#!/bin/sh
# Puts the definitions of the kinds that are not Kubernetes' own into a folder: the Prometheus operator's and KEDA's.
#   k8s/crds.sh DIR        needs Go
set -eu
OPERATOR=v0.85.0
KEDA=v2.21.0
mkdir -p "$1"
module() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'; }
take() { # FILE NAME
  [ -f "$1" ] || { echo "crds: $1: missing (expected: a definition)" >&2; exit 1; }
  install -m 644 "$1" "$out/$2"
}
out=$1
[ -f "$out/scaledobjects.yaml" ] && exit 0
operator=$(cd / && module "github.com/prometheus-operator/prometheus-operator@$OPERATOR")
keda=$(cd / && module "github.com/kedacore/keda/v2@$KEDA")
take "$operator/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" servicemonitors.yaml
take "$operator/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml" prometheusrules.yaml
take "$keda/config/crd/bases/keda.sh_scaledobjects.yaml" scaledobjects.yaml
