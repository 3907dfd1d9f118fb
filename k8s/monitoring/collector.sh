#!/bin/sh
# Prints a folder with otelcol-espalier, an OpenTelemetry Collector of the parts that the tests need; builds it there the first
# time (three minutes on two cores).
#   PATH="$(k8s/monitoring/collector.sh):$PATH"     needs Go
set -eu
cd "$(dirname "$0")/../.."
VERSION=v0.165.0
folder=$PWD/.espalier/tools/collector
if [ ! -x "$folder/otelcol-espalier" ]; then
  echo "monitoring: building an OpenTelemetry Collector" >&2
  builder=$(go env GOPATH)/bin/builder
  [ -x "$builder" ] || (cd / && go install "go.opentelemetry.io/collector/cmd/builder@$VERSION") >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cat >"$work/builder.yaml" <<CONFIG
dist: {name: otelcol-espalier, output_path: $work/build}
receivers: [{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver $VERSION}]
processors: [{gomod: go.opentelemetry.io/collector/processor/batchprocessor $VERSION}]
exporters: [{gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter $VERSION}]
CONFIG
  CGO_ENABLED=0 "$builder" --config "$work/builder.yaml" >&2
  mkdir -p "$folder"
  mv "$work/build/otelcol-espalier" "$folder/"
fi
echo "$folder"
