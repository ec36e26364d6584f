import { capabilityNames } from '../linux/capabilities.ts';
import { findPods } from '../runtime/pod-directory.ts';
import { type ProcessInfo, podProcesses } from '../runtime/processes.ts';
import { askedPod, requirePods } from './asked-pod.ts';
import { type Args, type Io, text } from './io.ts';
import { requireRoot } from './root.ts';
import { formatTable } from './table.ts';

export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const name = text(args, 'pod');
  const isJson = text(args, 'output') === 'json';
  if (name === undefined) {
    await requirePods(args, io, { verb: 'list' });
    return listPods(io, isJson);
  }
  const { record } = await askedPod(args, io, 'get');
  const processes = podProcesses(record);
  if (isJson) {
    io.out(
      `${JSON.stringify(
        processes.map(({ hostIds: _, ...process }) => ({ ...process, capabilities: hexSets(process) })),
        null,
        2,
      )}\n`,
    );
    return 0;
  }
  const rows = processes.map(process => [
    process.container,
    String(process.pid),
    String(process.containerPid),
    String(process.uid),
    describeCapabilities(process.capabilities.effective),
    process.seccomp,
    process.noNewPrivs ? 'yes' : 'no',
    process.command,
  ]);
  io.out(
    formatTable([['CONTAINER', 'HOST PID', 'PID', 'USER', 'CAPEFF', 'SECCOMP', 'NNP', 'COMMAND'], ...rows]),
  );
  return 0;
}

function listPods(io: Io, isJson: boolean): number {
  const pods = findPods(io.roots).flatMap(({ isAlive, record }) =>
    isAlive && record !== undefined ? [record] : [],
  );
  if (isJson) {
    io.out(
      `${JSON.stringify(
        pods.map(({ uid, name, namespace, createdAt, owner, containers }) => ({
          uid,
          name,
          namespace,
          createdAt: new Date(createdAt).toISOString(),
          pid: owner.pid,
          containers: containers.map(each => each.name),
        })),
        null,
        2,
      )}\n`,
    );
    return 0;
  }
  const rows = pods.map(({ name, namespace, owner, containers, createdAt }) => [
    namespace,
    name,
    containers.map(each => each.name).join(','),
    String(owner.pid),
    new Date(createdAt).toISOString(),
  ]);
  io.out(formatTable([['NAMESPACE', 'NAME', 'CONTAINERS', 'PODSPACE PID', 'CREATED'], ...rows]));
  return 0;
}

/** Few capabilities by name, many by their number and the kernel's hexadecimal. */
function describeCapabilities(mask: bigint): string {
  const names = capabilityNames(mask).map(name => name.replace('CAP_', ''));
  if (names.length === 0) return 'none';
  return names.length <= 3 ? names.join(',') : `${mask.toString(16).padStart(16, '0')} (${names.length})`;
}

export function hexSets({
  capabilities,
}: Pick<ProcessInfo, 'capabilities'>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(capabilities).map(([set, mask]) => [set, mask.toString(16).padStart(16, '0')]),
  );
}
