/**
 * A command in a network namespace of its own that has nothing but `lo`, as root. Pods get their links, routes and sysctls
 * there, and never on this machine. PODSPACE_TEST_NODE says which one it is.
 */
export const inPrivateNode = command => [
  'unshare',
  '--net',
  'sh',
  '-c',
  'busybox ip link set lo up && PODSPACE_TEST_NODE=$(readlink /proc/self/ns/net) exec "$@"',
  'sh',
  ...command,
];
