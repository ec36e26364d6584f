import { shown, TarError } from '../tar/entry.ts';

const MAX_PATH = 4095;

/**
 * A path of an archive as its components, without what says nothing ("./", "//"). One that is absolute or goes up is
 * refused, not mended: no tool writes it by accident. Latin1, a character for each byte.
 */
export function entryPath(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  if (text === '') throw new TarError('an entry without a name');
  if (text.includes('\0')) throw new TarError(`${shown(bytes)} has a NUL byte`);
  if (text.startsWith('/')) throw new TarError(`${shown(bytes)} is an absolute path`);
  if (text.length > MAX_PATH) throw new TarError(`${shown(bytes)} is too long`);
  const parts = text.split('/').filter(part => part !== '' && part !== '.');
  if (parts.includes('..')) throw new TarError(`${shown(bytes)} leads out by ".."`);
  return parts.join('/');
}

/** The directory, '' for the root, and the last component. */
export function split(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf('/');
  return { parent: path.slice(0, Math.max(slash, 0)), name: path.slice(slash + 1) };
}

/** image-spec, layer.md, "Whiteouts": a name, the whole directory, or something of AUFS' own. */
export type Whiteout = { readonly path: string } | { readonly opaque: string } | 'metadata';

const PREFIX = '.wh.';

export function whiteoutOf(path: string): Whiteout | undefined {
  const { parent, name } = split(path);
  if (!name.startsWith(PREFIX)) return undefined;
  if (name === '.wh..wh..opq') return { opaque: parent };
  if (name.startsWith('.wh..wh.')) return 'metadata';
  const hidden = name.slice(PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw new TarError(`${shown(Buffer.from(path, 'latin1'))} is a whiteout of nothing`);
  return { path: parent === '' ? hidden : `${parent}/${hidden}` };
}
