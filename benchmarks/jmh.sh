#!/bin/sh
# Builds and runs the JMH benchmarks; the arguments are JMH's.
#   benchmarks/jmh.sh                       all of them
#   benchmarks/jmh.sh RouterBenchmark -wi 2 -i 3
set -eu
cd "$(dirname "$0")/.."
JAVA_HOME=$(./espalier jdk-home)
export JAVA_HOME
./mvnw -B -q -pl benchmarks -am -Dmaven.test.skip=true \
  package dependency:build-classpath -Dmdep.outputFile=target/classpath
exec "$JAVA_HOME/bin/java" --sun-misc-unsafe-memory-access=allow -Despalier.root="$PWD" \
  -cp "benchmarks/target/classes:$(cat benchmarks/target/classpath)" org.openjdk.jmh.Main "$@"
