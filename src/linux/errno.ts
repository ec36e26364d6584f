import { ERRNO, ERRNO_TEXT } from './constants.generated.ts';

/** An errno by its name, as in errno(3). */
export type Errno = keyof typeof ERRNO;

const NAMES = new Map<number, Errno>();
for (const [name, number] of Object.entries(ERRNO)) if (!NAMES.has(number)) NAMES.set(number, name as Errno);

/** `EPERM` for 1; a number the headers do not know as `errno 4000`. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** `EPERM (Operation not permitted)`. */
export function describeErrno(errno: number): string {
  const name = NAMES.get(errno);
  return name === undefined ? `errno ${errno}` : `${name} (${ERRNO_TEXT[name]})`;
}
