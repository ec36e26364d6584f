import { CAPABILITIES, type CapabilityName } from '../../linux/capabilities.ts';
import { CAP } from '../../linux/constants.generated.ts';
import type { ObservedCapabilities, ObservedCapability } from './observation.ts';

/**
 * Reads what the kernel's event capability/cap_capable (Linux 6.14) says in trace_pipe, with a stack below each event:
 *
 *     sh-123     [000] .....   100.000000: cap_capable: cred …, target_ns …, capable_ns …, cap 0, ret 0
 *     sh-123     [000] .....   100.000000: <stack trace>
 *      => cap_capable
 *      => __x64_sys_chown
 */
export class CapabilityTrace {
  readonly #used = new Map<number, Set<string>>();
  readonly #refused = new Map<number, Set<string>>();
  #open: { readonly cap: number; readonly isGranted: boolean } | undefined;
  #stack: string[] = [];
  #rest = '';

  /** Takes the next piece of the text. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  end(lost: number): ObservedCapabilities {
    this.#close();
    const list = (map: ReadonlyMap<number, ReadonlySet<string>>): readonly ObservedCapability[] =>
      CAPABILITIES.flatMap(name => {
        const calls = map.get(CAP[name]);
        return calls === undefined ? [] : [{ name, calls: [...calls].sort() }];
      });
    const used = list(this.#used);
    const has = (name: CapabilityName): boolean => used.some(each => each.name === name);
    return { used, refused: list(this.#refused).filter(({ name }) => !has(name)), lost };
  }

  #line(line: string): void {
    const frame = /^ => (\S+)/.exec(line)?.[1];
    if (frame !== undefined) {
      this.#stack.push(frame);
      return;
    }
    if (line.endsWith('<stack trace>')) return;
    this.#close();
    const [, cap, result] = / cap_capable: .* cap (\d+), ret (-?\d+)/.exec(line) ?? [];
    if (cap !== undefined) this.#open = { cap: Number(cap), isGranted: result === '0' };
  }

  #close(): void {
    if (this.#open !== undefined && isAboutTheProcess(this.#stack)) {
      const { cap, isGranted } = this.#open;
      const map = isGranted ? this.#used : this.#refused;
      const calls = map.get(cap) ?? new Set();
      const call = this.#stack
        .map(frame => SYSCALL_ENTRY.exec(frame)?.[1])
        .findLast(name => name !== undefined);
      if (call !== undefined) calls.add(call);
      map.set(cap, calls);
    }
    this.#open = undefined;
    this.#stack = [];
  }
}

/** The function that a system call's number leads to, on x86-64 and arm64; or its second half, if that is all that is left. */
const SYSCALL_ENTRY = /^(?:__x64_|__ia32_|__arm64_|__do_|__se_|__|k)(?:compat_)?sys_(\w+)$/;

/** Who asks by the way, and does the same whatever the answer: whether some more memory may be taken than others get. */
const INCIDENTAL: ReadonlySet<string> = new Set([
  'security_vm_enough_memory_mm',
  '__vm_enough_memory',
  'cap_vm_enough_memory',
]);

/** What overlayfs asks in the name of the process. All else below it, it does in the name of who mounted it, podspace. */
const ASKED_BY_OVERLAY: ReadonlySet<string> = new Set([
  'generic_permission',
  'setattr_prepare',
  'inode_owner_or_capable',
  'file_remove_privs',
]);

/** Frames are innermost first. */
function isAboutTheProcess(stack: readonly string[]): boolean {
  if (stack.some(frame => INCIDENTAL.has(frame))) return false;
  const overlay = stack.findIndex(frame => frame.startsWith('ovl_'));
  return overlay === -1 || ASKED_BY_OVERLAY.has(stack[overlay - 1] ?? '');
}
