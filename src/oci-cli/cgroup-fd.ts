import { closeSync, openSync } from 'node:fs';
import type { CgroupRecord } from './cgroup.ts';

/** Runs something with an fd of the v2 cgroup to be born in; without where there is none. */
export async function withCgroupFd<T>(
  { tracking, isV2 }: CgroupRecord,
  body: (cgroup: { readonly cgroup?: number }) => Promise<T>,
): Promise<T> {
  if (!isV2 || tracking === undefined) return body({});
  const fd = openSync(tracking, 'r');
  try {
    return await body({ cgroup: fd });
  } finally {
    closeSync(fd);
  }
}
