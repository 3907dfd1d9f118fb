#!/bin/sh
# Prints alerts.yaml as the Prometheus operator's own kind:  k8s/monitoring/rule.sh | kubectl apply -f -
set -eu
cat <<HEAD
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: espalier
  namespace: ${NAMESPACE:-espalier}
spec:
HEAD
sed 's/^/  /' "$(dirname "$0")/alerts.yaml"
