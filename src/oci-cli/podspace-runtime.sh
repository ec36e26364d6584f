#!/bin/sh
# Drivers give a runtime hardly any environment, often no PATH, in which "env node" finds nothing. And Node raises its soft
# limit of open files, which is the container's to have as it was, and opens files of its own from 3 on.
self=$0
[ -L "$self" ] && self=$(PATH=/usr/bin:/bin readlink -f "$self")
PODSPACE_NOFILE=$(ulimit -Sn)
PODSPACE_FDS=3
while [ "$PODSPACE_FDS" -lt 10 ] && [ -e "/proc/$$/fd/$PODSPACE_FDS" ]; do
	PODSPACE_FDS=$((PODSPACE_FDS + 1))
done
export PODSPACE_NOFILE PODSPACE_FDS
for node in /usr/bin/node /usr/local/bin/node; do
	[ -x "$node" ] && [ "${PATH+set}" != set ] && exec "$node" "${self%/*}/podspace-runtime.js" "$@"
done
exec node "${self%/*}/podspace-runtime.js" "$@"
