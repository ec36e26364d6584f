#!/bin/bash
# Boots systemd as the first process of namespaces of its own, over an overlay of this machine's root: nothing of the machine
# is changed. It runs steps.sh, and ends.
#   boot.sh DIRECTORY PROJECT STEPS     DIRECTORY gets what steps.sh writes into /out
set -euo pipefail
directory=$1 project=$2 steps=$3
root=$directory/mem/root

if [ "${4:-}" != inside ]; then
  # A cgroup of its own is all of v2 that it will see.
  exec unshare --mount bash -ec '
    mkdir -p "$1/cgroup" && mount -t cgroup2 none "$1/cgroup"
    own=$1/cgroup/podspace-systemd-$$
    mkdir "$own"
    trap "find $own -depth -type d -exec rmdir {} +" EXIT
    (echo $BASHPID >"$own/cgroup.procs" && exec unshare --mount --pid --fork --net --uts --ipc --cgroup --kill-child bash "$0" "$@" inside)
  ' "$0" "$directory" "$project" "$steps"
fi

umount "$directory/cgroup"
mkdir -p "$directory/mem" "$directory/out"
mount -t tmpfs none "$directory/mem"
mkdir -p "$directory"/mem/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/mem/upper,workdir=$directory/mem/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -o remount,bind,ro "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$(tty)" "$root/dev/console"
for path in run tmp var/lib/podspace; do
  mkdir -p "$root/$path"
  mount -t tmpfs none "$root/$path"
done
cp -a /var/lib/podspace/images "$root/var/lib/podspace/images"
mkdir -p "$root/out" "$root$project" "$root/old"
mount --bind "$directory/out" "$root/out"
mount --bind "$project" "$root$project"
# Nothing but what is asked for, and what that needs.
rm -rf "$root"/{etc,lib,usr/lib}/systemd/system/*.wants
units=$root/etc/systemd/system
mkdir -p "$units/multi-user.target.wants"
printf '[Service]\nType=oneshot\nTimeoutStartSec=100\nExecStart=/bin/bash %s %s\nExecStopPost=/bin/systemctl --force --force exit\n' \
  "$steps" "$project" >"$units/steps.service"
ln -s ../steps.service "$units/multi-user.target.wants"
busybox ip link set lo up
cd "$root"
pivot_root . old
export container=test
exec /lib/systemd/systemd --unit=multi-user.target --log-target=console
