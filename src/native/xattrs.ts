import { ERRNO } from '../linux/constants.generated.ts';
import { rawSyscall, SyscallError } from './libc.ts';

const MAX_LIST = 65_536;
const MAX_VALUE = 65_536;
const buffer = Buffer.alloc(MAX_LIST);

/** The extended attributes of a file, by name; links are not followed. */
export function readXattrs(path: Uint8Array): readonly (readonly [name: string, value: Buffer])[] {
  const file = Buffer.concat([path, Buffer.alloc(1)]);
  const size = rawSyscall('llistxattr', file, buffer, buffer.length);
  if (size === -ERRNO.EOPNOTSUPP || size === 0) return [];
  if (size < 0) throw new SyscallError('llistxattr', -size);
  const names = buffer
    .toString('latin1', 0, size - 1)
    .split('\0')
    .sort();
  return names.map(name => {
    const length = rawSyscall('lgetxattr', file, Buffer.from(`${name}\0`, 'latin1'), buffer, MAX_VALUE);
    if (length < 0) throw new SyscallError('lgetxattr', -length, name);
    return [name, Buffer.from(buffer.subarray(0, length))] as const;
  });
}
