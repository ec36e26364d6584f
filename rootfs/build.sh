#!/usr/bin/env bash
# Builds the roots of the project's own images into OUTDIR: nothing built is kept in git.
#   busybox   Debian's static busybox with a link for each applet, and the user "guest" (405:100)
#   probe     one static program that reports as JSON what it sees
# Prints the name of each root that it (re)built.
set -euo pipefail
out=${1:?usage: rootfs/build.sh OUTDIR}
mkdir -p "$out"
out=$(realpath "$out")
cd "$(dirname "$0")"

is_fresh() { # DIRECTORY SOURCE…
  local directory=$1 source
  shift
  [ -f "$directory/.built" ] || return 1
  for source in "$@"; do [ "$directory/.built" -nt "$source" ] || return 1; done
}

etc() { # ROOT
  mkdir -p "$1/etc"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' 'guest:x:405:100:guest:/home/guest:/bin/sh' >"$1/etc/passwd"
  : >"$1/etc/hosts" >"$1/etc/hostname" >"$1/etc/resolv.conf" # mount points, so that no container copies /etc up for them
  printf '%s\n' 'root:x:0:' 'tty:x:5:' 'users:x:100:games' 'games:x:20:guest' 'nobody:x:65534:' >"$1/etc/group"
}

build_busybox() {
  local directory=$out/busybox root=$out/busybox/rootfs busybox
  busybox=$(command -v busybox) || { echo 'rootfs: busybox is missing (Debian: busybox-static)' >&2; exit 1; }
  is_fresh "$directory" "$busybox" build.sh busybox/config.json && return
  rm -rf "$directory"
  mkdir -p "$root"/{bin,dev,home/guest,proc,root,run,sys,tmp,usr,var}
  cp "$busybox" "$root/bin/busybox"
  for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
  ln -s ../bin "$root/usr/bin"
  ln -s bin "$root/sbin"
  ln -s ../run "$root/var/run"
  etc "$root"
  chmod 1777 "$root/tmp"
  chmod 0700 "$root/root"
  chown 405:100 "$root/home/guest"
  cp busybox/config.json "$directory/config.json"
  touch "$directory/.built"
  echo busybox
}

build_probe() {
  local directory=$out/probe root=$out/probe/rootfs
  is_fresh "$directory" probe/probe.c build.sh probe/config.json && return
  rm -rf "$directory"
  mkdir -p "$root"/{dev,proc,sys,tmp}
  cc -std=gnu11 -O2 -Wall -Wextra -static -o "$root/probe" probe/*.c
  etc "$root"
  chmod 1777 "$root/tmp"
  cp probe/config.json "$directory/config.json"
  touch "$directory/.built"
  echo probe
}

build_busybox
build_probe
