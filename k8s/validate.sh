#!/bin/sh
# Builds the manifests and checks them strictly against the Kubernetes API's own schemas.
#   k8s/validate.sh        needs Go (tools and schemas come through its module proxy) and Python 3
set -eu
cd "$(dirname "$0")"
KUBERNETES=v1.37.2
KUSTOMIZE=v5.8.2
KUBECONFORM=v0.7.0
work=../.espalier/k8s
mkdir -p "$work"

tools=$(go env GOPATH)/bin
[ -x "$tools/kustomize" ] || go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
[ -x "$tools/kubeconform" ] || go install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"

for folder in base; do
  "$tools/kustomize" build "$folder" >"$work/$folder.yaml"
  if [ ! -f "$work/swagger-$KUBERNETES.json" ]; then
    module=$(go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    cp "$module/api/openapi-spec/swagger.json" "$work/swagger-$KUBERNETES.json"
  fi
  python3 schemas.py "$work/swagger-$KUBERNETES.json" "$work/schemas"
  "$tools/kubeconform" -strict -summary \
    -schema-location "$work/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$work/$folder.yaml"
done
