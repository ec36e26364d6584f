import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import type { Roots } from '../oci/pod-paths.ts';

/** The pod whose logs are meant. */
export interface LoggedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** As a kubelet's /var/log/pods. */
const logRoot = ({ state }: Roots): string => join(state, 'logs');

/** Where the logs of a pod are: a directory for each container, and in it a file for each attempt. */
export const logDirectory = (roots: Roots, { namespace, name, uid }: LoggedPod): string =>
  join(logRoot(roots), `${namespace}_${name}_${uid}`);

/** The pods of which there are logs. */
export const loggedPods = (roots: Roots): readonly LoggedPod[] =>
  namesIn(logRoot(roots)).map(directory => {
    const [namespace = '', name = '', uid = ''] = directory.split('_');
    return { namespace, name, uid };
  });

/** All of a pod's. One of them may be being compressed. */
export const removeLogs = (roots: Roots, pod: LoggedPod): void =>
  rmSync(logDirectory(roots, pod), { recursive: true, force: true, maxRetries: 5 });

/** `2.log`, `2.log.20260102-150405` once it has been rotated, and that with `.gz` some time after. */
const NAME = /^(\d+)\.log(?:\.(\d{8}-\d{6}(?:\.\d+)?)(\.gz)?)?$/;

export const isCompressed = (file: string): boolean => file.endsWith('.gz');

/** The attempts of which there is a log, the newest first. */
export function attemptsOf(directory: string): readonly number[] {
  const attempts = namesIn(directory).flatMap(name => {
    const match = NAME.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return [...new Set(attempts)].sort((a, b) => b - a);
}

/** The files of an attempt's log, in the order in which they were written. */
export function filesOf(directory: string, attempt: number): readonly string[] {
  const names = new Set(namesIn(directory));
  const rotated = [...names].filter(name => {
    const match = NAME.exec(name);
    // While both are there, they are the same.
    const isTwice = isCompressed(name) && names.has(name.slice(0, -'.gz'.length));
    return match !== null && Number(match[1]) === attempt && match[2] !== undefined && !isTwice;
  });
  const current = `${attempt}.log`;
  return [...rotated.sort(), ...(names.has(current) ? [current] : [])].map(name => join(directory, name));
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoCode(error) ?? '')) return [];
    throw error;
  }
}
