import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readXattrs } from '../../../src/native/xattrs.ts';

/** A directory in full: modes, owners, times, link counts, devices, targets, contents, extended attributes. */
export function listTree(root: string): readonly string[] {
  const lines: string[] = [];
  const visit = (path: string): void => {
    const full = Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1');
    const stat = lstatSync(full, { bigint: true });
    lines.push(`${JSON.stringify(path)} ${describe(stat)} ${content(full, stat)}${attributes(full)}`);
    if (stat.isDirectory())
      for (const name of readdirSync(full, { encoding: 'latin1' }).sort())
        visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return lines;
}

function describe(stat: BigIntStats): string {
  const links = stat.isDirectory() ? '' : ` links=${stat.nlink}`;
  return `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeNs} ${stat.rdev}${links}`;
}

function content(path: Buffer, stat: BigIntStats): string {
  if (stat.isSymbolicLink()) return `-> ${readlinkSync(path, 'latin1')}`;
  return stat.isFile() ? `${stat.size} ${createHash('sha256').update(readFileSync(path)).digest('hex')}` : '';
}

const attributes = (path: Buffer): string =>
  readXattrs(path)
    .map(([name, value]) => ` ${name}=${value.toString('hex')}`)
    .join('');
