#!/bin/sh
# Makes the image espalier as a tar, without a registry and without a base: a Java runtime of just the modules that the program
# needs, the files of glibc, and the program.
#   k8s/image/build.sh        .espalier/image/espalier.tar; needs a JDK 25 on Linux with glibc, and ldd
#   docker load -i .espalier/image/espalier.tar
set -eu
cd "$(dirname "$0")/../.."
JAVA_HOME=$(./espalier jdk-home)
export JAVA_HOME
out=$PWD/.espalier/image
root=$out/root
rm -rf "$out"
mkdir -p "$root/opt" "$root/etc" "$root/tmp" "$root/srv/espalier" "$root/var/lib/espalier"

# jdeps names most of these; not those that are found by name at run time: naming (Lettuce, DNS), the zip file system, SASL and
# JGSS (Kafka), management (OpenTelemetry). jdk.jcmd is for people: kubectl exec POD -- jcmd 1 Thread.print
modules=java.base,java.instrument,java.logging,java.management,java.naming,java.net.http,java.security.jgss,java.security.sasl
modules=$modules,java.sql,java.xml,jdk.crypto.ec,jdk.httpserver,jdk.jcmd,jdk.jfr,jdk.management,jdk.net,jdk.unsupported,jdk.zipfs
"$JAVA_HOME/bin/jlink" --add-modules "$modules" --strip-debug --no-header-files --no-man-pages --generate-cds-archive \
  --output "$root/opt/java"

./mvnw -B -ntp -q -Dmaven.test.skip=true -Dspotless.check.skip=true -pl espalier-cli -am package

# The libraries of the system that the runtime and the native parts of the program's own ask for.
natives=$out/natives
mkdir -p "$natives"
for jar in espalier-cli/target/lib/onnxruntime-*.jar espalier-cli/target/lib/tokenizers-*.jar; do
  (cd "$natives" && "$JAVA_HOME/bin/jar" xf "$OLDPWD/$jar")
done
machine=$(uname -m)
{
  find "$root/opt/java" -type f \( -name '*.so' -o -path '*/bin/*' -o -name jspawnhelper \)
  find "$natives" -name '*.so*' | grep -e "${machine}" -e "$(echo "$machine" | sed 's/x86_64/x64/')"
} | LD_LIBRARY_PATH=$root/opt/java/lib:$root/opt/java/lib/server xargs ldd 2>/dev/null |
  sed -n 's:.*[[:space:]]\(/[^ ]*\) (0x[0-9a-f]*)$:\1:p' | grep -v "^$out" | sort -u >"$out/libraries"
# Loaded by name when a host's name is looked up.
for library in libnss_dns.so.2 libnss_files.so.2 libresolv.so.2; do
  ldconfig -p | sed -n "s:.*$library.* => ::p" | head -n 1 >>"$out/libraries"
done
sort -u "$out/libraries" | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
rm -rf "$natives"

cat >"$root/etc/passwd" <<PASSWD
root:x:0:0::/:/nonexistent
espalier:x:10001:10001::/tmp:/nonexistent
PASSWD
printf 'root:x:0:\nespalier:x:10001:\n' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

./mvnw -B -ntp -q -Dmaven.test.skip=true -Dspotless.check.skip=true -Pimage -pl espalier-cli -am package \
  -Despalier.image="$out" -Despalier.image.architecture="$(echo "$machine" | sed 's/x86_64/amd64/; s/aarch64/arm64/')"
rm -rf "$root"
ls -l "$out/espalier.tar"
