import type { OpenFlag } from '../linux/arch.ts';
import { RESOLVE } from '../linux/constants.generated.ts';
import { CWD, named, num, octal, type ProgramBuilder } from './builder.ts';
import type { DataOperand, SlotOperand } from './program.ts';

type Resolve = keyof typeof RESOLVE;

/** struct open_how, openat2(2). */
export function openHow(
  b: ProgramBuilder,
  openFlags: readonly OpenFlag[],
  resolve: readonly Resolve[],
): DataOperand {
  const text = `{flags=${openFlags.join('|')}, resolve=${resolve.join('|')}}`;
  return b.constant(text, () => {
    const bytes = new Uint8Array(24);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, b.open(...openFlags).value, true);
    view.setUint32(
      16,
      resolve.reduce((bits, name) => bits | RESOLVE[name], 0),
      true,
    );
    return bytes;
  });
}

export const OPEN_HOW_SIZE = num(24);

/**
 * Reaches paths under a hostile root, by fd only: no link, no `..` and no change made meanwhile leads out of it, because
 * each component is opened with openat2(RESOLVE_IN_ROOT) and used through that fd (runtime-hardening: CVE-2021-30465,
 * CVE-2024-45310). Parents that the program itself has opened or mounted are remembered.
 */
export class RootPaths {
  readonly #b: ProgramBuilder;
  readonly #root: SlotOperand;
  readonly #known = new Map<string, SlotOperand>();

  constructor(b: ProgramBuilder, root: SlotOperand) {
    this.#b = b;
    this.#root = root;
    this.#known.set('', root);
  }

  /** An O_PATH fd of what is at `path`; where nothing is, everything that uses the slot is skipped. */
  find(path: string): SlotOperand {
    const how = openHow(this.#b, ['O_PATH', 'O_CLOEXEC'], ['RESOLVE_IN_ROOT', 'RESOLVE_NO_MAGICLINKS']);
    return this.#b.call('openat2', [this.#root, this.#b.text(relative(path)), how, OPEN_HOW_SIZE], {
      ignore: ['ENOENT'],
    });
  }

  /** An O_PATH fd of the directory at `path`, made (0755) with its parents where missing. */
  directory(path: string, options: { readonly noSymlinks?: boolean } = {}): SlotOperand {
    const parts = relative(path)
      .split('/')
      .filter(part => part !== '' && part !== '.');
    let at = '';
    let slot = this.#root;
    for (const part of parts) {
      const parent = slot;
      at = at === '' ? part : `${at}/${part}`;
      slot = this.#known.get(at) ?? this.#make(parent, part, at, options.noSymlinks === true);
    }
    return slot;
  }

  /** An O_PATH fd of the file at `path` as a mount point, made empty where missing; a device or FIFO is not opened. */
  file(path: string): SlotOperand {
    const name = relative(path);
    const slash = name.lastIndexOf('/');
    const parent = this.directory(name.slice(0, Math.max(slash, 0)));
    const b = this.#b;
    b.call('mknodat', [parent, b.text(name.slice(slash + 1)), named(0o100644, 'S_IFREG|0644'), num(0)], {
      ignore: ['EEXIST'],
    });
    const how = openHow(b, ['O_PATH', 'O_CLOEXEC'], ['RESOLVE_IN_ROOT', 'RESOLVE_NO_MAGICLINKS']);
    return b.call('openat2', [this.#root, b.text(name), how, OPEN_HOW_SIZE]);
  }

  /** Remembers that `path` is now the root of a mount of ours; what was known below it is stale. */
  mounted(path: string, mount: SlotOperand): void {
    const name = relative(path);
    for (const known of this.#known.keys())
      if (known === name || known.startsWith(`${name}/`)) this.#known.delete(known);
    this.#known.set(name, mount);
  }

  #make(parent: SlotOperand, part: string, path: string, noSymlinks: boolean): SlotOperand {
    const b = this.#b;
    b.call('mkdirat', [parent, b.text(part), octal(0o755)], { ignore: ['EEXIST'] });
    const resolve: Resolve[] = noSymlinks
      ? ['RESOLVE_IN_ROOT', 'RESOLVE_NO_SYMLINKS']
      : ['RESOLVE_IN_ROOT', 'RESOLVE_NO_MAGICLINKS'];
    const how = openHow(b, ['O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'], resolve);
    const slot = b.call('openat2', [this.#root, b.text(path), how, OPEN_HOW_SIZE]);
    this.#known.set(path, slot);
    return slot;
  }
}

/** Opens a path of the host's or of podspace's own state. */
export function openHost(b: ProgramBuilder, path: string, ...flags: readonly OpenFlag[]): SlotOperand {
  return b.call('openat', [CWD, b.text(path), b.open(...flags), num(0)]);
}

function relative(path: string): string {
  return path.replace(/^\/+/, '').replace(/\/+$/, '');
}
