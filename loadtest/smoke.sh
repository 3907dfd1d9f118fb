#!/bin/sh
# Both tools against both shapes of the cluster, briefly: do the profiles still run, does every call answer?
# Not how fast, nor how much of an answer a busy machine leaves out.
set -eu
cd "$(dirname "$0")"
for shape in up separate; do
  RATE=${RATE:-5} DURATION=${DURATION:-5s} TIMEOUT=20s MAX_DEGRADED=1 ./run.sh "$shape" both
done
