#!/bin/sh
# Starts a cluster of processes for each scenario of loadtest/faults, loads it, does to it what the scenario says, and
# prints what became of the requests. What it needs beside Java: loadtest/faults-tools.sh.
#   loadtest/faults.sh --help
#   loadtest/faults.sh                              all scenarios, at 60 % of the knee
#   loadtest/faults.sh --rate 10 kill-router redis  two of them, at ten requests a second
set -eu
cd "$(dirname "$0")/.."
[ -f .espalier/shop/sequences.tsv ] || ./espalier shop
JAVA_HOME=$(./espalier jdk-home)
export JAVA_HOME
# The broker that the tests of stores-kafka start.
[ -f stores-kafka/target/broker-classpath ] ||
  ./mvnw -B -q -pl stores-kafka -am -Dmaven.test.skip=true package dependency:build-classpath \
    -Dmdep.includeScope=test -Dmdep.outputFile=target/broker-classpath
exec loadtest/measure.sh faults "$@"
