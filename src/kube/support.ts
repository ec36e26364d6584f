import { type FieldError, forbidden } from './field-error.ts';
import { fieldsOf } from './suggest.ts';
import { SUPPORT, type SupportRow } from './support-table.ts';
import type { Pod } from './types.generated.ts';

export interface Support {
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

/** Holds every field that the pod sets against the support table. */
export function checkSupport(pod: Pod): Support {
  const errors: FieldError[] = [];
  const warnings: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (value === undefined) return;
    const row = SUPPORT[pattern(path)] ?? (isVolumeSource(path) ? SUPPORT['spec.volumes[]'] : undefined);
    if (row !== undefined && applies(row, value, path, pod)) {
      if (row.level === 'refused') errors.push(forbidden(path, row.reason));
      if (row.level === 'noted') warnings.push(`${path} has no effect: ${row.reason}`);
      // Below plain data there can be a row of its own: ports are, their hostPort is not.
      if (row.level === 'refused' || row.level === 'noted') return;
    }
    if (Array.isArray(value)) for (const [i, item] of value.entries()) visit(item, `${path}[${i}]`);
    else if (typeof value === 'object' && value !== null)
      for (const [key, item] of Object.entries(value)) visit(item, path === '' ? key : `${path}.${key}`);
  };
  visit(pod, '');
  return { errors, warnings };
}

function applies(row: SupportRow, value: unknown, path: string, pod: Pod): boolean {
  // With the host's network a container's ports are the host's already: there is nothing to publish.
  if (/\.host(Port|IP)$/.test(path) && pod.spec?.hostNetwork === true) return false;
  if (pattern(path) === 'spec.volumes[]' || isEmptyParent(path, value)) return false;
  return row.when === undefined || row.when(value);
}

/** `resources: {}` asks for nothing; its parts have rows of their own. */
function isEmptyParent(path: string, value: unknown): boolean {
  // `nfs: {}` is a volume all the same.
  if (isVolumeSource(path)) return false;
  return (
    /^spec\.(initC|c)ontainers\[\d+\]\.resources$/.test(path) ||
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  );
}

function isVolumeSource(path: string): boolean {
  return /^spec\.volumes\[\d+\]\.\w+$/.test(path);
}

function pattern(path: string): string {
  return path.replace(/\[\d+\]/g, '[]');
}

/** The row that covers a field: its own, or that of the nearest field above it. */
export function supportOf(field: string): SupportRow | undefined {
  for (let path = field; path !== ''; path = parent(path)) {
    const row = SUPPORT[path];
    if (row !== undefined) return row;
  }
  return undefined;
}

function parent(path: string): string {
  if (path.endsWith('[]')) return path.slice(0, -2);
  return path.slice(0, Math.max(path.lastIndexOf('.'), 0));
}

/** Every field path of a Pod that the schema has, `spec.containers[].image` form; status is one entry. */
export function podFields(): readonly string[] {
  const paths: string[] = [];
  const visit = (definition: string, path: string, above: readonly string[]): void => {
    for (const [name, { type }] of fieldsOf(definition)) {
      const field = path === '' ? name : `${path}.${name}`;
      paths.push(field);
      const inner = type.replace(/^[[{]/, '').replace(/[\]}]$/, '');
      const target = inner.slice(1);
      if (!inner.startsWith('@') || field === 'status' || above.includes(target)) continue;
      visit(target, type.startsWith('[') ? `${field}[]` : field, [...above, target]);
    }
  };
  visit('Pod', '', ['Pod']);
  return paths;
}
