import type { Container } from '../kube/types.generated.ts';
import { SIG } from '../linux/constants.generated.ts';

/** Real-time signals as images and pods name them: those of the C library, which keeps two for itself. */
const RTMIN = 34;
const RTMAX = 64;

/** Names that the kernel's headers do not have, or have for another's number. */
const ALIASES: Readonly<Record<string, number>> = {
  SIGCLD: SIG.SIGCHLD,
  SIGIOT: SIG.SIGABRT,
  SIGPOLL: SIG.SIGIO,
  SIGRTMIN: RTMIN,
  SIGRTMAX: RTMAX,
};

/** A signal by name (with or without SIG) or number; undefined for what is none. */
export function signalNumber(word: string): number | undefined {
  if (/^\d+$/.test(word)) return Number(word);
  const name = word.startsWith('SIG') ? word : `SIG${word}`;
  const [, end, sign, offset] = /^SIGRT(MIN|MAX)([+-])(\d{1,2})$/.exec(name) ?? [];
  if (end === 'MIN' && sign === '+') return RTMIN + Number(offset);
  if (end === 'MAX' && sign === '-') return RTMAX - Number(offset);
  if (Object.hasOwn(ALIASES, name)) return ALIASES[name];
  return Object.hasOwn(SIG, name) ? SIG[name as keyof typeof SIG] : undefined;
}

/** What a container is asked to end with: its own signal, else its image's, else SIGTERM. */
export function stopSignalOf({ lifecycle }: Container, ofImage: string | undefined): number {
  return signalNumber(lifecycle?.stopSignal || ofImage || 'SIGTERM') ?? SIG.SIGTERM;
}
