#!/bin/bash
# Run by boot.sh's systemd: what a user does with the agent there. Each step leaves "STATUS\nOUTPUT" in /out/NAME.
project=$1

step() { # NAME COMMAND...
  local name=$1 output status
  shift
  output=$("$@" 2>&1)
  status=$?
  printf '%s\n%s' "$status" "$output" >"/out/$name"
}
podspace() { node "$project/dist/podspace.js" "$@"; }
agent() { systemctl show --property MainPID --value podspace.service; }
another_agent_than() { # PID
  for _ in $(seq 200); do
    [ "$(agent)" != "$1" ] && [ "$(agent)" != 0 ] && break
    sleep 0.05
  done
}
shim() { cat /run/podspace/pods/*/detached.json; }

step install podspace agent install
systemctl daemon-reload
step enable systemctl enable --now podspace.socket
step before systemctl is-active podspace.service podspace.socket
step activated podspace get pods
step after systemctl is-active podspace.service podspace.socket

cat >/tmp/pod.yaml <<'YAML'
apiVersion: v1
kind: Pod
metadata: { name: web }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: localhost/busybox
      imagePullPolicy: Never
      command: [sh, -c, 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done']
YAML
step apply podspace apply -f /tmp/pod.yaml
step ready podspace wait --for=condition=Ready pod/web --timeout=30s
step shim shim

first=$(agent)
systemctl restart podspace.service
another_agent_than "$first"
step restarted podspace get pods --no-headers
second=$(agent)
systemctl kill --signal KILL --kill-whom main podspace.service
another_agent_than "$second"
step killed podspace get pods --no-headers
systemctl stop podspace.service
step stopped systemctl is-active podspace.service podspace.socket
step again podspace get pods --no-headers
step shim-then shim
step log podspace logs web
step delete podspace delete pod web
step end podspace agent stop
step ended systemctl is-active podspace.service podspace.socket
step failed systemctl is-failed podspace.service
