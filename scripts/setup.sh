#!/usr/bin/env bash
# Everything a fresh Debian machine needs, only what is missing; a second run does nothing. Sourced by test.sh and demo.sh.
#   setup.sh [test|bench]   also the peers and tools that the tests or the benchmarks compare with
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

[ "$(uname -s)" = Linux ] || { echo 'podspace needs Linux' >&2; exit 1; }
node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' || {
  echo "podspace needs Node 20.19 or newer, this is $(node --version)" >&2
  exit 1
}

# What npm fetches and what apt does take about as long, and do not need each other.
npm_ci=
if [ ! -e node_modules/.podspace-lock ] || ! cmp -s package-lock.json node_modules/.podspace-lock; then
  say 'npm ci'
  npm ci --no-audit --no-fund --loglevel=error &
  npm_ci=$!
fi

missing=()
need() { [ -e "$2" ] || command -v "$2" >/dev/null 2>&1 || missing+=("$1"); }
need gcc cc
need libc6-dev /usr/include/stdio.h
need linux-libc-dev /usr/include/linux/openat2.h
need busybox-static busybox
need nftables nft
if [ "${1:-}" = test ]; then
  need crun crun
  need runc runc
  need podman podman
  need conmon conmon
  need containerd containerd
  need strace strace
  need zstd zstd
  need xz-utils xz
  need bzip2 bzip2
  need openssl openssl
  need util-linux unshare
  need umoci umoci
  need skopeo skopeo
  need iproute2 ip
  need systemd /lib/systemd/systemd
  need gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc
  need qemu-user qemu-aarch64
  need linux-libc-dev-arm64-cross /usr/aarch64-linux-gnu/include/asm/errno.h
  need libc6-dev-arm64-cross /usr/aarch64-linux-gnu/include/stdio.h
fi
if [ "${1:-}" = bench ]; then
  need crun crun
  need runc runc
  need bubblewrap bwrap
  need containerd containerd
  need hyperfine hyperfine
  need iperf3 iperf3
  need skopeo skopeo
  need umoci umoci
  need podman podman
  need docker-registry docker-registry
  need time /usr/bin/time
  need iproute2 ip
fi
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || { echo "install these first: ${missing[*]}" >&2; exit 1; }
  [ "$(id -u)" = 0 ] || { echo "as root, install first: apt-get install ${missing[*]}" >&2; exit 1; }
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 || {
    apt-get update >"$log" 2>&1 && apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1
  } || { cat "$log" >&2; exit 1; }
  rm -f "$log"
fi

if [ -n "$npm_ci" ]; then
  wait "$npm_ci"
  cp package-lock.json node_modules/.podspace-lock
fi

node scripts/build.mjs

if [ "$(id -u)" = 0 ]; then
  for image in $(bash rootfs/build.sh build/rootfs) ; do
    say "importing localhost/$image"
    node dist/podspace.js image import "localhost/$image" "build/rootfs/$image/rootfs" --config "build/rootfs/$image/config.json" >/dev/null
  done
  for image in busybox probe; do
    node dist/podspace.js image ls | grep -q "^localhost/$image:latest " ||
      node dist/podspace.js image import "localhost/$image" "build/rootfs/$image/rootfs" --config "build/rootfs/$image/config.json" >/dev/null
  done
fi
