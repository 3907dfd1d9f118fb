#!/bin/sh
# Prints alerts.yaml as the Prometheus operator's own kind:  k8s/monitoring/rule.sh | kubectl apply -f -
#   NAMESPACE (espalier)   where the servers are
#   LABELS                 of the rule, as a Prometheus asks for them in its ruleSelector: LABELS="release: monitoring"
set -eu
namespace=${NAMESPACE:-espalier}
cat <<HEAD
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: espalier
  namespace: $namespace
  labels: {app.kubernetes.io/part-of: espalier${LABELS:+, $LABELS}}
spec:
HEAD
sed "s/^/  /; s/namespace=\"espalier\"/namespace=\"$namespace\"/" "$(dirname "$0")/alerts.yaml"
