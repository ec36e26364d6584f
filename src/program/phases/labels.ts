import type { OciProcess } from '../../oci/config.ts';
import { num, type ProgramBuilder, parameter } from '../builder.ts';
import { close } from '../mount-calls.ts';
import { OPEN_HOW_SIZE, openHow } from '../root-paths.ts';

/**
 * What AppArmor and SELinux are to make of the next execve. Through the runtime's own procfs (parameter `procfs`): the
 * container's may be covered, so that the label would be written to a file of the attacker's choice (CVE-2019-16884).
 */
export function setLabels(b: ProgramBuilder, { apparmorProfile, selinuxLabel }: OciProcess): void {
  if (apparmorProfile !== undefined) {
    b.phase('AppArmor');
    writeAttribute(b, 'attr/apparmor/exec', `exec ${apparmorProfile}`);
  }
  if (selinuxLabel !== undefined) {
    b.phase('SELinux');
    writeAttribute(b, 'attr/exec', selinuxLabel);
  }
}

function writeAttribute(b: ProgramBuilder, file: string, value: string): void {
  // thread-self is a link by nature; what it leads to is below the same mount.
  const how = openHow(
    b,
    ['O_WRONLY', 'O_CLOEXEC'],
    ['RESOLVE_BENEATH', 'RESOLVE_NO_XDEV', 'RESOLVE_NO_MAGICLINKS'],
  );
  const fd = b.call('openat2', [parameter('procfs'), b.text(`thread-self/${file}`), how, OPEN_HOW_SIZE]);
  b.call('write', [fd, b.text(value), num(new TextEncoder().encode(value).length)]);
  close(b, fd);
}
