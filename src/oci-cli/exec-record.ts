import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciConfig, OciProcess } from '../oci/config.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { filterOf, recordFilter, type SeccompRecord } from '../runtime/seccomp.ts';
import { writeAtomically } from './state.ts';

/** What `exec` and hooks in the container must know, and no other command. */
interface ExecRecord {
  readonly process: OciProcess;
  readonly seccomp?: SeccompRecord | undefined;
  readonly hasUsers: boolean;
}

const fileIn = (directory: string): string => join(directory, 'exec.json');

export function recordExec(
  directory: string,
  { process, linux }: OciConfig,
  filter: SeccompFilter | undefined,
): void {
  const record: ExecRecord = {
    process,
    seccomp: recordFilter(filter),
    hasUsers: linux.namespaces.some(({ type }) => type === 'user'),
  };
  writeAtomically(fileIn(directory), JSON.stringify(record));
}

export function readExec(directory: string): {
  readonly process: OciProcess;
  readonly seccomp: SeccompFilter | undefined;
  readonly hasUsers: boolean;
} {
  const record = JSON.parse(readFileSync(fileIn(directory), 'utf8')) as ExecRecord;
  return { ...record, seccomp: filterOf(record.seccomp) };
}
