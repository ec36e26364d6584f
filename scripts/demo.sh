#!/usr/bin/env bash
# npm run demo: sets up what is missing, then a guided tour of the main job.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo 'the demo makes namespaces: run it as root (sudo npm run demo)' >&2; exit 1; }
bash scripts/setup.sh
podspace="node dist/podspace.js"

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
show() { # prints the command as one would type it, and runs it
  local word line=podspace
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./=:-]*) line+=" '$word'" ;; *) line+=" $word" ;; esac
  done
  printf '\033[36m$ %s\033[0m\n' "$line"
  $podspace "$@"
}

step '1. A default pod: its container sees only its own processes, and its command is PID 1.'
show run examples/default.yaml
step '2. shareProcessNamespace: the containers see each other; PID 1 is the pod'"'"'s pause process.'
show run examples/shared-pid.yaml -c shell
step '3. hostPID: the machine'"'"'s own processes.'
show run examples/host-pid.yaml
step '4. Which namespace is whose? A pod of two containers, looked at from outside while it runs.'
$podspace run examples/two-containers.yaml >/dev/null &
pod=$!
trap 'kill "$pod" 2>/dev/null || true' EXIT
for _ in $(seq 100); do $podspace ps two >/dev/null 2>&1 && break; sleep 0.1; done
show inspect two | sed -n '1,9p'
step '5. exec: the same user, groups and capabilities as the container'"'"'s own process.'
show exec two -c guest -- sh -c 'id; grep -E "Cap(Eff|Bnd)|NoNewPrivs" /proc/self/status'
kill "$pod"
wait "$pod" || true
trap - EXIT
step '6. What would run, as system calls: podspace compile examples/default.yaml'
$podspace compile examples/default.yaml | sed -n '1,12p'
echo '  …'
step 'Nothing is left behind. Now try: podspace explain examples/two-containers.yaml, podspace run --trace examples/default.yaml'
