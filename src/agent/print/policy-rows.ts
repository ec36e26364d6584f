import type { PodSecurityPolicy, RoleBinding } from '../../kube/types.generated.ts';
import { AGE, ageOf, column, NAME, type Named, nameOf, type RowPrinter, UNKNOWN, wideColumn } from './row.ts';

type Rules = Readonly<Record<string, { readonly rule?: string } | undefined>>;

const RULES = {
  seLinux: 'Selinux',
  runAsUser: 'RunAsUser',
  fsGroup: 'FsGroup',
  supplementalGroups: 'SupGroup',
};

/** What the API server prints of a kind that has no columns of its own. */
const createdAt: RowPrinter = {
  columns: [NAME, column('Created At', 'When the object was created.', { type: 'date' })],
  cells: (object: Named) => [nameOf(object), object.metadata?.creationTimestamp ?? UNKNOWN],
};

const binding: RowPrinter = {
  columns: [
    NAME,
    column('Role', 'The role that the binding gives.'),
    AGE,
    wideColumn('Users', 'The users that have the role.'),
    wideColumn('Groups', 'The groups that have the role.'),
    wideColumn('ServiceAccounts', 'The service accounts that have the role.'),
  ],
  cells: (object: RoleBinding, now) => {
    const { roleRef, subjects = [] } = object;
    const ofKind = (kind: string): string =>
      subjects
        .filter(subject => subject.kind === kind)
        .map(({ name, namespace }) => (kind === 'ServiceAccount' ? `${namespace ?? ''}/${name}` : name))
        .join(', ');
    return [
      nameOf(object),
      `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}`,
      ageOf(object, now),
      ofKind('User'),
      ofKind('Group'),
      ofKind('ServiceAccount'),
    ];
  },
};

/** Who may run what. */
export const POLICY_ROWS = {
  PodSecurityPolicy: {
    columns: [
      NAME,
      column('Priv', 'Whether privileged containers are allowed.'),
      column('Caps', 'Capabilities that may be added.'),
      ...Object.entries(RULES).map(([field, name]) => column(name, `The rule of ${field}.`)),
      column('ReadOnlyRootFs', 'Whether the root must be read-only.'),
      column('Volumes', 'Types of volumes that are allowed.'),
    ],
    cells: (policy: PodSecurityPolicy) => {
      const { spec } = policy;
      const rules = (spec ?? {}) as unknown as Rules;
      return [
        nameOf(policy),
        String(spec?.privileged === true),
        (spec?.allowedCapabilities ?? []).join(','),
        ...Object.keys(RULES).map(field => rules[field]?.rule ?? ''),
        String(spec?.readOnlyRootFilesystem === true),
        (spec?.volumes ?? []).join(','),
      ];
    },
  },
  ClusterRole: createdAt,
  Role: createdAt,
  ClusterRoleBinding: binding,
  RoleBinding: binding,
} as const satisfies Readonly<Record<string, RowPrinter>>;
