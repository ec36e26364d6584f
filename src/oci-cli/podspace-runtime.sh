#!/bin/sh
# Drivers give a runtime hardly any environment, often no PATH, in which "env node" finds nothing. And Node raises its soft
# limit of open files, which is the container's to have as it was.
self=$0
[ -L "$self" ] && self=$(PATH=/usr/bin:/bin readlink -f "$self")
PODSPACE_NOFILE=$(ulimit -Sn)
export PODSPACE_NOFILE
for node in /usr/bin/node /usr/local/bin/node; do
	[ -x "$node" ] && [ "${PATH+set}" != set ] && exec "$node" "${self%/*}/podspace-runtime.js" "$@"
done
exec node "${self%/*}/podspace-runtime.js" "$@"
