import { chmodSync, lchownSync } from 'node:fs';
import { ERRNO, S } from '../../linux/constants.generated.ts';
import { rawSyscall } from '../../native/libc.ts';
import { readXattrs } from '../../native/xattrs.ts';
import { setXattrs } from './attributes.ts';
import { cPath, failure } from './directory-tree.ts';
import { type LowerView, lstat } from './lower-view.ts';
import type { LayerWriter } from './writer.ts';

const join = (directory: string, name: string): string => (directory === '' ? name : `${directory}/${name}`);

/**
 * Makes a layer's whiteouts what overlayfs takes for them: a device 0:0 for each name that is to vanish. An opaque directory
 * becomes one for each name below it that the layer does not have itself: overlayfs' own mark is an attribute `trusted.*`, which
 * a pod with a user namespace cannot see. What is not below needs none.
 */
export function coverLower(root: string, writer: LayerWriter, lower: LowerView): void {
  const { implied, whiteouts, opaque } = writer.finish();
  for (const path of whiteouts) if (lower.find(path) !== undefined) cover(root, path, writer, lower);
  for (const path of opaque)
    if (lower.find(path)?.stat.isDirectory())
      for (const name of lower.names(path)) cover(root, join(path, name), writer, lower);
  for (const path of ['', ...implied]) likeLower(root, path, writer, lower);
}

/** What the layer has at that place stays, and nothing from below shows in it. */
function cover(root: string, path: string, writer: LayerWriter, lower: LowerView): void {
  // A file of the layer in the place of a directory hides what was below that, and a link is not to be gone through.
  if (hasFileAbove(root, path)) return;
  const own = lstat(`${root}/${path}`);
  if (own === undefined) {
    const { directory, name } = writer.tree.place(path);
    const made = rawSyscall('mknodat', directory, cPath(name), S.S_IFCHR, 0);
    if (made < 0 && made !== -ERRNO.EEXIST) throw failure(path, 'whiteout', -made);
    writer.countOne();
    return;
  }
  if (own.isDirectory() && lower.find(path)?.stat.isDirectory())
    for (const name of lower.names(path)) cover(root, join(path, name), writer, lower);
}

function hasFileAbove(root: string, path: string): boolean {
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1))
    if (lstat(`${root}/${path.slice(0, slash)}`)?.isDirectory() === false) return true;
  return false;
}

/** A directory that the archive did not mention is as it was below: overlayfs shows the upper one's owner, mode and attributes. */
function likeLower(root: string, path: string, writer: LayerWriter, lower: LowerView): void {
  const { stat: below, parts: [part = ''] = [] } = lower.find(path) ?? {};
  if (below?.isDirectory() !== true || lstat(`${root}/${path}`)?.isDirectory() !== true) return;
  if (writer.hasEntry(path)) return;
  const own = Buffer.from(`${root}/${path}`, 'latin1');
  lchownSync(own, Number(below.uid), Number(below.gid));
  const target = cPath(`${root}/${path}`);
  setXattrs(path, { xattrs: readXattrs(Buffer.from(part, 'latin1')) }, (name, value, size) =>
    rawSyscall('lsetxattr', target, name, value, size, 0),
  );
  chmodSync(own, Number(below.mode) & 0o7777);
  writer.keepTime(path, below.mtimeNs);
}
