import { UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';

export type TarKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

/** A run of real bytes in a sparse file. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** One entry of an archive. Names are bytes, as the kernel has them: nothing says that they are UTF-8. */
export interface TarEntry {
  readonly kind: TarKind;
  readonly path: Buffer;
  /** Of a link. */
  readonly target: Buffer;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** What the file is long, holes included. */
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: readonly (readonly [name: string, value: Buffer])[];
  /** Where the bytes of a sparse file belong; undefined for an ordinary one. */
  readonly extents: readonly Extent[] | undefined;
}

/** What is told of an archive, in its order. */
export interface TarSink {
  begin(entry: TarEntry): void;
  /** Some bytes of the file that was begun, and where they belong. */
  data(chunk: Buffer, offset: number): void;
  end(): void;
}

/** A mistake in an archive, whoever made it: one line. */
export class TarError extends UserError {}

/** How a hostile name is shown. */
export const shown = (path: Uint8Array): string => {
  const text = printable(Buffer.from(path).toString());
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
};
