/**
 * A command in a network namespace of its own that has nothing but `lo`, as root. Pods get their links, routes and sysctls
 * there, and never on this machine. PODSPACE_TEST_NODE says which one it is.
 */
export const inPrivateNode = (command, setUp = []) => [
  'unshare',
  '--net',
  ...(setUp.length > 0 ? ['--mount'] : []),
  'sh',
  '-ec',
  [
    'busybox ip link set lo up',
    ...setUp,
    'PODSPACE_TEST_NODE=$(readlink /proc/self/ns/net)',
    'export PODSPACE_TEST_NODE',
    'exec "$@"',
  ].join('\n'),
  'sh',
  ...command,
];
