import { num, type ProgramBuilder, parameter } from '../builder.ts';
import { close } from '../mount-calls.ts';
import type { SandboxPlan } from '../plan.ts';
import { OPEN_HOW_SIZE, openHow } from '../root-paths.ts';

export const SYSCTL_PHASE = 'sysctl ';

/**
 * Each through the runtime's own procfs (parameter `procfs`), which no container can have changed: below sys/, a file is that
 * of the namespaces which the writer is in. A dot inside a name is written as a slash.
 */
export function setSysctls(b: ProgramBuilder, sysctls: SandboxPlan['sysctls']): void {
  for (const { name, value } of sysctls) {
    b.phase(`${SYSCTL_PHASE}${name}`);
    const path = name
      .split('.')
      .map(part => part.replaceAll('/', '.'))
      .join('/');
    const how = openHow(
      b,
      ['O_WRONLY', 'O_CLOEXEC'],
      ['RESOLVE_BENEATH', 'RESOLVE_NO_XDEV', 'RESOLVE_NO_MAGICLINKS', 'RESOLVE_NO_SYMLINKS'],
    );
    const fd = b.call('openat2', [parameter('procfs'), b.text(`sys/${path}`), how, OPEN_HOW_SIZE]);
    const bytes = new TextEncoder().encode(value);
    b.call('write', [fd, b.bytes(bytes, JSON.stringify(value)), num(bytes.length)]);
    close(b, fd);
  }
}
