#!/bin/sh
# Builds the driver and runs one of its commands.
#   loadtest/measure.sh --help
#   DRIVER_CPU   the core that the driver keeps to, and no server that it starts (default: any)
set -eu
cd "$(dirname "$0")/.."
JAVA_HOME=$(./espalier jdk-home)
export JAVA_HOME
./mvnw -B -q -pl loadtest -am -Dmaven.test.skip=true \
  package dependency:build-classpath -Dmdep.outputFile=target/classpath
cpus=
[ -z "${DRIVER_CPU:-}" ] || cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
exec ${DRIVER_CPU:+taskset -c "$DRIVER_CPU"} "$JAVA_HOME/bin/java" ${cpus:+"-Despalier.cpus=$cpus"} --enable-native-access=ALL-UNNAMED \
  --sun-misc-unsafe-memory-access=allow -Djava.awt.headless=true -Xmx1g \
  -cp "loadtest/target/loadtest-0.1.0-SNAPSHOT.jar:$(cat loadtest/target/classpath)" io.espalier.loadtest.Main "$@"
