import { FSCONFIG, FSMOUNT, FSOPEN } from '../linux/constants.generated.ts';
import { syscall } from './libc.ts';

/** A file system of the kernel's that is mounted nowhere, fsopen(2): its root, as an fd. Nobody else sees it. */
export function detachedMount(type: 'proc' | 'tracefs'): number {
  const fs = syscall('fsopen', [type, FSOPEN.FSOPEN_CLOEXEC], type);
  try {
    syscall('fsconfig', [fs, FSCONFIG.FSCONFIG_CMD_CREATE, null, null, 0], type);
    return syscall('fsmount', [fs, FSMOUNT.FSMOUNT_CLOEXEC, 0], type);
  } finally {
    syscall('close', [fs]);
  }
}
