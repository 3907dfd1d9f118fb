#!/bin/sh
# Both tools against both shapes of the cluster, briefly: do the profiles still run, does every call answer?
set -eu
cd "$(dirname "$0")"
PATH="$PATH:$(go env GOPATH)/bin"
command -v ghz >/dev/null 2>&1 || go install github.com/bojand/ghz/cmd/ghz@latest
command -v k6 >/dev/null 2>&1 || go install go.k6.io/k6@latest
for shape in up separate; do
  RATE=${RATE:-5} DURATION=${DURATION:-5s} ./run.sh "$shape" both
done
