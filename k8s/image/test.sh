#!/bin/sh
# Runs the image as a pod would: a plain user, a read-only root, no capability, no privileges to gain, no network; and within it
# the whole cluster, which answers a search and a feed. Then one server as the manifests start it, until its health is SERVING.
#   k8s/image/test.sh         needs docker (.ci/with-docker has it), and .espalier/image/espalier.tar (k8s/image/build.sh)
set -eu
cd "$(dirname "$0")/../.."
image=espalier:0.1.0
docker load -q -i .espalier/image/espalier.tar
restricted="--network none --read-only --user 10001:10001 --cap-drop ALL --security-opt no-new-privileges --memory 3g"
home="--tmpfs /tmp:exec,mode=1777,size=1g"

echo "up --once:"
# shellcheck disable=SC2086  # flags are words
said=$(docker run --rm $restricted $home --workdir /tmp -v "$PWD/model-repo:/srv/espalier/model-repo:ro" "$image" \
  up --once --model-repo /srv/espalier/model-repo) || { echo "$said"; echo "image: up --once failed (expected: exit code 0)" >&2; exit 1; }
echo "$said"
for part in 'search "' 'feed of '; do
  echo "$said" | grep -qF "$part" || { echo "image: no answer to $part (expected: one)" >&2; exit 1; }
done

echo "A server as the manifests start it:"
work=$(mktemp -d)
name=espalier-image-test-$$
trap 'docker rm -f "$name" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
chmod 755 "$work"
ESPALIER_NO_BUILD=1 ./espalier shop --out "$work/data" >/dev/null
chmod -R a+rX "$work"
# shellcheck disable=SC2086
docker run -d --name "$name" $restricted $home -e JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=50 \
  -v "$PWD/k8s/base/config/ranking.yaml:/etc/espalier/server.yaml:ro" \
  -v "$PWD/model-repo:/srv/espalier/model-repo:ro" -v "$work/data:/srv/espalier/data:ro" \
  "$image" serve ranking --config /etc/espalier/server.yaml >/dev/null
tries=0
until docker logs "$name" 2>&1 | grep -q 'listens at'; do
  tries=$((tries + 1))
  if [ "$tries" -gt 120 ] || [ "$(docker inspect -f '{{.State.Running}}' "$name")" != true ]; then
    docker logs "$name" >&2
    echo "image: ranking does not listen (expected: within 120 s)" >&2
    exit 1
  fi
  sleep 1
done
# Its thread dump by the tool that the image carries, as kubectl exec would.
docker exec "$name" jcmd 1 VM.version
docker stop -t 40 "$name" >/dev/null
code=$(docker inspect -f '{{.State.ExitCode}}' "$name")
# 143: ended by SIGTERM, after the drain.
[ "$code" = 143 ] || [ "$code" = 0 ] || { echo "image: exit code $code (expected: 143)" >&2; exit 1; }
docker inspect -f '{{.Size}}' "$image" | awk '{printf "%d MB; stopped in order\n", $1 / 1e6}'
