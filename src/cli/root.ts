import { UserError } from '../base/errors.ts';

/** Namespaces, mounts and cgroups of the host need root: said at once, not by the first system call that fails. */
export function requireRoot(): void {
  if (process.geteuid?.() !== 0)
    throw new UserError('podspace must run as root', {
      hint: 'sudo podspace …; compile, explain, validate and doctor need no root',
    });
}
