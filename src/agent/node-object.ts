import { readFileSync } from 'node:fs';
import type { HostFacts } from '../oci/host-facts.ts';
import { impliedUid } from './implied.ts';
import type { ApiObject } from './objects.ts';

/** What of the machine a Node object says. */
export type NodeFacts = Pick<HostFacts, 'hostname' | 'kernelRelease' | 'hostIP' | 'cpus' | 'memory'>;

/** What a kubelet says of its node's health, in its order and words. */
const CONDITIONS = [
  ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
  ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
  ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
  ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
] as const;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };

const RUNTIME = 'podspace://';

/** The version of the podspace whose agent has made a Node; empty if it did not say so. */
export function nodeVersion(node: ApiObject | undefined): string {
  const { nodeInfo } = (node?.status ?? {}) as {
    readonly nodeInfo?: { readonly containerRuntimeVersion?: string };
  };
  return nodeInfo?.containerRuntimeVersion?.slice(RUNTIME.length) ?? '';
}

/** This machine as the one node that there is. */
export function nodeObject(facts: NodeFacts, version: string, since: string): ApiObject {
  const name = facts.hostname.toLowerCase();
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  const amounts = { cpu: String(facts.cpus), memory: `${Math.floor(facts.memory / 1024)}Ki` };
  const system = { 'kubernetes.io/arch': architecture, 'kubernetes.io/os': 'linux' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      uid: impliedUid('Node', name),
      creationTimestamp: since,
      labels: { ...system, 'kubernetes.io/hostname': name },
    },
    spec: {},
    status: {
      capacity: amounts,
      allocatable: amounts,
      conditions: CONDITIONS.map(([type, status, reason, message]) => ({
        type,
        status,
        lastHeartbeatTime: since,
        lastTransitionTime: since,
        reason,
        message,
      })),
      addresses: [
        ...(facts.hostIP === undefined || facts.hostIP === ''
          ? []
          : [{ type: 'InternalIP', address: facts.hostIP }]),
        { type: 'Hostname', address: name },
      ],
      nodeInfo: {
        machineID: text('/etc/machine-id'),
        systemUUID: '',
        bootID: text('/proc/sys/kernel/random/boot_id'),
        kernelVersion: facts.kernelRelease,
        osImage: osImage(),
        containerRuntimeVersion: `${RUNTIME}${version}`,
        kubeletVersion: 'v1.34.0',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture,
      },
    },
  };
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

const osImage = (): string => /^PRETTY_NAME="?([^"\n]*)/m.exec(text('/etc/os-release'))?.[1] ?? 'Linux';
