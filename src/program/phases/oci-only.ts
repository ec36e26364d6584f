import type { OciLinux, OciPersonality } from '../../oci/config.ts';
import { named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { close } from '../mount-calls.ts';
import { OPEN_HOW_SIZE, openHow } from '../root-paths.ts';

/** What pods have no words for. */

/** personality(2), linux/personality.h. */
const DOMAINS = { LINUX: 0, LINUX32: 8 } as const;

export function setPersonality(b: ProgramBuilder, personality: OciPersonality | undefined): void {
  if (personality === undefined) return;
  b.phase('personality');
  b.call('personality', [named(DOMAINS[personality.domain], `PER_${personality.domain}`)]);
}

/** time_namespaces(7): between unshare(2) and the first child, who is the first that is in the namespace. */
export function setTimeOffsets(b: ProgramBuilder, offsets: OciLinux['timeOffsets']): void {
  const text = Object.entries(offsets ?? {})
    .map(([clock, { secs, nanosecs }]) => `${clock} ${secs} ${nanosecs}\n`)
    .join('');
  if (text === '') return;
  b.phase('time offsets');
  const how = openHow(
    b,
    ['O_WRONLY', 'O_CLOEXEC'],
    ['RESOLVE_BENEATH', 'RESOLVE_NO_XDEV', 'RESOLVE_NO_MAGICLINKS'],
  );
  const fd = b.call('openat2', [parameter('procfs'), b.text('self/timens_offsets'), how, OPEN_HOW_SIZE]);
  const bytes = new TextEncoder().encode(text);
  b.call('write', [fd, b.bytes(bytes, JSON.stringify(text)), num(bytes.length)]);
  close(b, fd);
}
