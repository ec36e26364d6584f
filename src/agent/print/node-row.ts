import {
  AGE,
  ageOf,
  column,
  NAME,
  type Named,
  NONE,
  nameOf,
  type RowPrinter,
  UNKNOWN,
  wideColumn,
} from './row.ts';

/** core/v1.Node, as far as it is printed. */
export interface Node extends Named {
  readonly spec?: {
    readonly unschedulable?: boolean;
    readonly podCIDR?: string;
    readonly podCIDRs?: readonly string[];
    readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[];
  };
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly conditions?: readonly NodeCondition[];
    readonly capacity?: Readonly<Record<string, string | number>>;
    readonly allocatable?: Readonly<Record<string, string | number>>;
    readonly nodeInfo?: Readonly<Record<string, string>>;
  };
}

export interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastHeartbeatTime?: string;
  readonly lastTransitionTime?: string;
}

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

/** The roles of a node by its labels, sorted. */
export function nodeRoles({ metadata }: Node): string {
  const roles = Object.entries(metadata?.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX) && key !== ROLE_PREFIX) return [key.slice(ROLE_PREFIX.length)];
    return key === ROLE_LABEL && value !== '' ? [value] : [];
  });
  return [...new Set(roles)].sort().join(',') || NONE;
}

function statusOf({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const word = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

const addressOf = ({ status }: Node, type: string): string =>
  status?.addresses?.find(each => each.type === type)?.address || NONE;

export const NODE_ROW: RowPrinter = {
  columns: [
    NAME,
    column('Status', 'Whether the node takes pods.'),
    column('Roles', 'The roles of the node.'),
    AGE,
    column('Version', 'The version of what runs the pods.'),
    wideColumn('Internal-IP', 'The address of the node.'),
    wideColumn('External-IP', 'The address of the node from outside.'),
    wideColumn('OS-Image', 'The operating system.'),
    wideColumn('Kernel-Version', 'The kernel.'),
    wideColumn('Container-Runtime', 'What runs the containers.'),
  ],
  cells: (node: Node, now) => {
    const {
      kubeletVersion = '',
      osImage,
      kernelVersion,
      containerRuntimeVersion,
    } = node.status?.nodeInfo ?? {};
    return [
      nameOf(node),
      statusOf(node),
      nodeRoles(node),
      ageOf(node, now),
      kubeletVersion,
      addressOf(node, 'InternalIP'),
      addressOf(node, 'ExternalIP'),
      osImage || UNKNOWN,
      kernelVersion || UNKNOWN,
      containerRuntimeVersion || UNKNOWN,
    ];
  },
};
