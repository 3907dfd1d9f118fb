#!/usr/bin/env bash
# Lints the contract and checks it against the published baseline, with a pinned buf from npm.
#   proto/lint.sh              lint, then compare with proto/baseline.binpb
#   proto/lint.sh --publish    make the contract as it stands the new baseline (a release's step)
set -euo pipefail
cd "$(dirname "$0")/.."
BUF_VERSION=1.75.0
tools=.espalier/tools/buf-$BUF_VERSION
[ -x "$tools/node_modules/.bin/buf" ] || npm install --silent --no-audit --no-fund --prefix "$tools" "@bufbuild/buf@$BUF_VERSION" >&2
buf=$tools/node_modules/.bin/buf

# The rules of protovalidate come from the archive that the Java build already has.
version=$(sed -n 's:.*<protovalidate.version>\(.*\)</protovalidate.version>.*:\1:p' pom.xml)
archive=${MAVEN_REPO_LOCAL:-$HOME/.m2/repository}/build/buf/protovalidate/$version/protovalidate-$version.jar
[ -f "$archive" ] || ./mvnw -q -pl proto generate-sources
mkdir -p proto/target/imports
unzip -qo "$archive" 'buf/validate/*.proto' -d proto/target/imports

# One image of our own packages alone: what the baseline is made of and compared with.
image() { "$buf" build --path proto/src/main/protobuf/espalier --exclude-source-info -o "$1"; }

if [ "${1:-}" = "--publish" ]; then
  image proto/baseline.binpb
  exit
fi
"$buf" lint
image proto/target/contract.binpb
"$buf" breaking proto/target/contract.binpb --against proto/baseline.binpb --config '{"version":"v2","breaking":{"use":["FILE"]}}'
echo "proto: linted, no breaking change since the baseline"
