#!/usr/bin/env bash
# A real-sized image: a Debian root with nginx in it, made by mmdebstrap, run as a pod and asked over HTTP; and what umoci makes of
# the same image beside it. As root: scripts/debian-image.sh [ROOT.tar]. It takes a minute, and leaves nothing.
set -euo pipefail
tar=${1:-}
[ -z "$tar" ] || tar=$(realpath "$tar")
cd "$(dirname "$0")/.."
unset NODE_EXTRA_CA_CERTS
directory=$(mktemp -d)
pod=
finish() {
  [ -z "$pod" ] || { kill "$pod" && wait "$pod"; } || true
  rm -rf "$directory"
}
trap finish EXIT
podspace() { node dist/podspace.js --root "$directory/state" "$@"; }

. /etc/os-release
[ -n "$tar" ] || mmdebstrap --quiet --variant=minbase --include=nginx-light "$VERSION_CODENAME" "${tar:=$directory/root.tar}"
umoci init --layout "$directory/layout"
umoci new --image "$directory/layout:v1"
umoci raw add-layer --image "$directory/layout:v1" "$tar"
umoci config --image "$directory/layout:v1" --config.cmd nginx --config.cmd -g --config.cmd 'daemon off;' --config.volume /var/log/nginx
podspace image import localhost/nginx "$directory/layout"

umoci unpack --image "$directory/layout:v1" "$directory/bundle"
list() { # everything that tar and find can say of a tree; "." is not in the archive of every tool
  (cd "$1" && find . -mindepth 1 -printf '%p %y %m %U:%G %n %T@ %l\n' | awk '$2 == "d" { $5 = "" } { print }' | sort &&
    find . -type f -print0 | sort -z | xargs -0 sha256sum &&
    tar --xattrs --xattrs-include='*' -c . 2>/dev/null | grep -ac 'SCHILY.xattr' || true)
}
list "$directory"/state/images/roots/*/rootfs >"$directory/own"
list "$directory/bundle/rootfs" >"$directory/theirs"
diff "$directory/own" "$directory/theirs" && echo "umoci unpack: the same, in $(wc -l <"$directory/own") lines"

cat >"$directory/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata:
  name: nginx
spec:
  containers:
    - name: nginx
      image: localhost/nginx
      ports:
        - containerPort: 80
YAML
node dist/podspace.js --root "$directory/state" run "$directory/pod.yaml" &
pod=$!
address=
for _ in $(seq 100); do
  address=$(node dist/podspace.js --root "$directory/state" inspect nginx 2>/dev/null | grep -o '10\.244\.[0-9.]*' | head -1) || true
  [ -n "$address" ] && node -e "fetch('http://$address/').then(async answer => console.log(answer.status, answer.headers.get('server'), (await answer.text()).match(/<h1>.*<.h1>/)?.[0])).catch(() => process.exit(1))" && break
  sleep 0.2
done
podspace exec nginx -- sh -c '. /etc/os-release; echo "$PRETTY_NAME"'
