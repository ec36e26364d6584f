import type { ContainerFacts, ProcessFacts } from '../../../../src/admission/verify/facts.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../../src/linux/capabilities.ts';
import type { OciConfig } from '../../../../src/oci/config.ts';

/** A process as the kernel shows one of an ordinary container, but for what is said. */
export const processOf = (parts: Partial<ProcessFacts> = {}): ProcessFacts => ({
  pid: 1,
  uids: [0],
  gids: [0],
  groups: [0],
  capabilities: DEFAULT_CAPABILITIES,
  noNewPrivileges: false,
  hasSeccompFilter: false,
  ...parts,
});

export const factsOf = (
  parts: Partial<ContainerFacts> = {},
  ...processes: readonly Partial<ProcessFacts>[]
): ContainerFacts => ({
  name: 'c',
  hostNamespaces: ['user'],
  isRootReadOnly: false,
  isSysWritable: false,
  isProcProtected: true,
  hostPorts: [],
  processes: processes.length === 0 ? [processOf()] : processes.map(processOf),
  ...parts,
});

/** What the kernel would say of a container that is as its OCI config has it. */
export function factsOfConfig(
  name: string,
  { process, root, linux, mounts }: OciConfig,
  hostPorts: readonly number[] = [],
): ContainerFacts {
  const own = new Set<string>(linux.namespaces.map(({ type }) => type));
  const isReadOnly = (path: string): boolean =>
    linux.readonlyPaths.includes(path) ||
    mounts.findLast(({ destination }) => destination === path)?.options.includes('ro') === true;
  const { user, capabilities } = process;
  const has = new Set(Object.values(capabilities).flat());
  return {
    name,
    hostNamespaces: (['network', 'pid', 'ipc', 'user'] as const).filter(type => !own.has(type)),
    isRootReadOnly: root.readonly,
    isSysWritable: !isReadOnly('/sys'),
    isProcProtected: isReadOnly('/proc/sys'),
    hostPorts: own.has('network') ? [] : hostPorts.map(port => ({ protocol: 'TCP', port })),
    processes: [
      {
        pid: 1,
        uids: [user.uid],
        gids: [user.gid],
        groups: user.additionalGids,
        capabilities: CAPABILITIES.filter(capability => has.has(capability)),
        noNewPrivileges: process.noNewPrivileges,
        hasSeccompFilter: linux.seccomp !== undefined,
      },
    ],
  };
}
