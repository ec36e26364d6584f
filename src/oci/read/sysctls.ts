import type { OciNamespace } from '../config.ts';
import type { Fields } from './json.ts';

/** sysctl names and the namespace that each is of: one of the machine's own must not be changed by a container. */
const OWNERS: readonly (readonly [RegExp, OciNamespace['type']])[] = [
  [/^net\./, 'network'],
  [/^fs\.mqueue\./, 'ipc'],
  [/^kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$/, 'ipc'],
  [/^kernel\.(domainname|hostname)$/, 'uts'],
];

export interface Sysctl {
  readonly name: string;
  readonly value: string;
}

/** `linux.sysctl`. Names are written with dots or with slashes, sysctl(8). */
export function readSysctls(fields: Fields, namespaces: readonly OciNamespace[]): readonly Sysctl[] {
  return Object.entries(fields.map('sysctl') ?? {}).map(([key, value]) => {
    const name = dotted(key);
    const owner = OWNERS.find(([pattern]) => pattern.test(name))?.[1];
    const place = `sysctl[${JSON.stringify(key.slice(0, 60))}]`;
    if (owner === undefined || name.split('.').some(part => part === '' || part === '/' || part === '//'))
      fields.fail(place, 'is not of a namespace');
    if (!namespaces.some(({ type }) => type === owner))
      fields.fail(place, `is of the machine: the container has no ${owner} namespace of its own`);
    return { name, value };
  });
}

/** Whatever separator comes first separates; the other one is part of a name then. */
function dotted(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  return first === '/' ? key.replace(/[./]/g, found => (found === '/' ? '.' : '/')) : key;
}
