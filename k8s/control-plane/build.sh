#!/bin/sh
# Builds a Kubernetes control plane, kwok, which plays its nodes, and Prometheus' adapter, which autoscalers ask, from their Go
# modules, and unpacks Debian's etcd.
#   k8s/control-plane/build.sh DIR     binaries in DIR/bin; about 25 minutes of one core, seconds when they are there
# Needs Go (1.26 or later), apt-get and dpkg-deb. Go's own caches keep the rest: 3 GB.
set -eu
KUBERNETES=v1.37.2
STAGING=v0.37.2
KWOK=v0.8.0
ADAPTER=v0.12.0
[ $# = 1 ] || { echo "usage: k8s/control-plane/build.sh DIR" >&2; exit 2; }
mkdir -p "$1/bin"
out=$(cd "$1" && pwd)
say() { echo "control-plane: $* ($(date +%T))" >&2; }

if [ ! -x "$out/bin/etcd" ]; then
  say "unpacking Debian's etcd"
  rm -rf "$out/etcd"
  mkdir -p "$out/etcd"
  (cd "$out/etcd" && { apt-get -q download etcd-server || { apt-get -q update && apt-get -q download etcd-server; }; }) >&2
  dpkg-deb -x "$out"/etcd/etcd-server_*.deb "$out/etcd"
  cp "$out/etcd/usr/bin/etcd" "$out/bin/"
  rm -rf "$out/etcd"
fi

# The commands are not installable one by one: their module replaces its own parts by folders, and go install refuses that.
module() { # NAME: an empty module in $out/NAME, entered
  mkdir -p "$out/$1"
  cd "$out/$1"
  printf 'module %s\n\ngo 1.26.0\n' "$1" >go.mod
}

build() { # BINARY PACKAGE [LINKER FLAGS]
  [ ! -x "$out/bin/$1" ] || return 0
  say "building $1"
  CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=mod" go build -ldflags "-s -w ${3:-}" -o "$out/bin/$1.new" "$2"
  mv "$out/bin/$1.new" "$out/bin/$1"
}

if [ ! -f "$out/kubernetes/$KUBERNETES" ]; then
  source=$(go mod download -json "k8s.io/kubernetes@$KUBERNETES" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  module kubernetes
  go mod edit -require="k8s.io/kubernetes@$KUBERNETES"
  for part in $(sed -n 's:^\t*\(k8s.io/[a-z-]*\) => ./staging/src/.*:\1:p' "$source/go.mod"); do
    go mod edit -replace="$part=$part@$STAGING"
  done
  touch "$KUBERNETES"
fi
cd "$out/kubernetes"
version="-X k8s.io/component-base/version.gitVersion=$KUBERNETES -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"
for command in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  build "$command" "k8s.io/kubernetes/cmd/$command" "$version"
done

if [ ! -f "$out/kwok/$KWOK" ]; then
  module kwok
  go mod edit -require="sigs.k8s.io/kwok@$KWOK"
  touch "$KWOK"
fi
cd "$out/kwok"
build kwok sigs.k8s.io/kwok/cmd/kwok "-X sigs.k8s.io/kwok/pkg/consts.Version=$KWOK"
build kwokctl sigs.k8s.io/kwok/cmd/kwokctl "-X sigs.k8s.io/kwok/pkg/consts.Version=$KWOK"

if [ ! -f "$out/prometheus-adapter/$ADAPTER" ]; then
  module prometheus-adapter
  go mod edit -require="sigs.k8s.io/prometheus-adapter@$ADAPTER"
  touch "$ADAPTER"
fi
cd "$out/prometheus-adapter"
build prometheus-adapter sigs.k8s.io/prometheus-adapter/cmd/adapter
say "built: $(ls "$out/bin" | tr '\n' ' ')"
