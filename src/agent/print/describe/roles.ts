import { ACCESS_HEADER, accessRows } from '../../../admission/rbac/access-list.ts';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '../../../kube/types.generated.ts';
import { annotationLines, type Describer, field, labelLines, line } from './lines.ts';

/** A header, dashes as long as its words, and rows. */
function tableLines(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const dashes = header.map(word => '-'.repeat(word.length));
  return [header, dashes, ...rows].map(cells => line(cells.join('\t'), 1));
}

function describeRole({ metadata = {}, rules = [] }: Role | ClusterRole): readonly string[] {
  return [
    field('Name', metadata.name ?? ''),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    'PolicyRule:',
    ...tableLines(ACCESS_HEADER, accessRows(rules)),
  ];
}

function describeBinding({
  metadata = {},
  roleRef,
  subjects = [],
}: RoleBinding | ClusterRoleBinding): readonly string[] {
  return [
    field('Name', metadata.name ?? ''),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    'Role:',
    field('Kind', roleRef?.kind ?? '', 1),
    field('Name', roleRef?.name ?? '', 1),
    'Subjects:',
    ...tableLines(
      ['Kind', 'Name', 'Namespace'],
      subjects.map(({ kind = '', name = '', namespace = '' }) => [kind, name, namespace]),
    ),
  ];
}

export const ROLE_DESCRIBERS = {
  Role: describeRole,
  ClusterRole: describeRole,
  RoleBinding: describeBinding,
  ClusterRoleBinding: describeBinding,
} as const satisfies Readonly<Record<string, Describer>>;
