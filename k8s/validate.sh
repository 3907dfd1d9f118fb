#!/bin/sh
# Builds every overlay, and every component on what it fits, and checks them strictly: against the Kubernetes API's own schemas
# and those of the other kinds, and the network policies against the table of who may talk to whom.
#   k8s/validate.sh        needs Go (tools and schemas come through its module proxy) and Python 3
set -eu
cd "$(dirname "$0")"
KUBERNETES=v1.37.2
KUSTOMIZE=v5.8.2
KUBECONFORM=v0.7.0
PYYAML=6.0.3
work=../.espalier/k8s
mkdir -p "$work/rendered"

tools=$(go env GOPATH)/bin
[ -x "$tools/kustomize" ] || go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
[ -x "$tools/kubeconform" ] || go install "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
if ! python3 -c 'import yaml' 2>/dev/null; then
  python3 -m venv "$work/python"
  "$work/python/bin/pip" install -q --disable-pip-version-check "pyyaml==$PYYAML"
  PATH="$PWD/$work/python/bin:$PATH"
fi
if [ ! -f "$work/swagger-$KUBERNETES.json" ]; then
  module=$(cd / && go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  cp "$module/api/openapi-spec/swagger.json" "$work/swagger-$KUBERNETES.json"
fi
./crds.sh "$work/crds"
rm -rf "$work/schemas"
python3 schemas.py "$work/schemas" "$work/swagger-$KUBERNETES.json" "$work"/crds/*.yaml

check() { # NAME FOLDER PART...
  name=$1
  rendered=$work/rendered/$name.yaml
  "$tools/kustomize" build "$2" >"$rendered"
  shift 2
  echo "$name"
  "$tools/kubeconform" -strict -summary \
    -schema-location "$work/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$rendered"
  python3 edges.py "$rendered" edges.txt "$@"
}
check base base base
check cpu overlays/cpu base valkey user-state hpa
check gpu overlays/gpu base valkey user-state keda service-monitor gpu
for component in components/*; do
  component=${component#components/}
  case $component in
    triton-*) under=overlays/gpu parts="base valkey user-state keda service-monitor gpu" ;;
    *) under=base parts=base ;;
  esac
  with=$work/with-$component
  mkdir -p "$with"
  printf 'namespace: espalier\nresources: [../../../k8s/%s]\ncomponents: [../../../k8s/components/%s]\n' \
    "$under" "$component" >"$with/kustomization.yaml"
  # shellcheck disable=SC2086  # parts are words
  check "${under#overlays/}+$component" "$with" $parts "$component"
done
monitoring/rule.sh >"$work/rendered/rule.yaml"
"$tools/kubeconform" -strict -summary -schema-location "$work/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" \
  "$work/rendered/rule.yaml"
