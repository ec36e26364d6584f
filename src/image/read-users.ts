import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import { LowerView, type Seen } from './layer/lower-view.ts';
import { type ImageUsers, MAX_USER_FILE, parseUsers } from './users.ts';

/** As the kernel, path_resolution(7). */
const MAX_LINKS = 40;

/** /etc/passwd and /etc/group as a container would see them: no link leads out of the root, and only a file is read. */
export function readUsers(roots: readonly string[]): ImageUsers {
  const view = new LowerView(roots);
  return parseUsers(readRegular(view, 'etc/passwd'), readRegular(view, 'etc/group'));
}

function readRegular(view: LowerView, path: string): string {
  const seen = follow(view, path);
  const [file] = seen?.parts ?? [];
  if (file === undefined || !seen?.stat.isFile() || seen.stat.size > MAX_USER_FILE) return '';
  const fd = openSync(Buffer.from(file, 'latin1'), constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return readFileSync(fd, 'latin1');
  } finally {
    closeSync(fd);
  }
}

/** Links are followed inside of what the layers show, from their root. */
function follow(view: LowerView, path: string): Seen | undefined {
  let left = path.split('/');
  const done: string[] = [];
  for (let links = 0; left.length > 0; ) {
    const [component = '', ...rest] = left;
    left = rest;
    if (component === '' || component === '.') continue;
    if (component === '..') {
      done.pop();
      continue;
    }
    const seen = view.find([...done, component].join('/'));
    if (seen === undefined) return undefined;
    if (!seen.stat.isSymbolicLink()) {
      done.push(component);
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    const target = readlinkSync(Buffer.from(seen.parts[0] ?? '', 'latin1'), 'latin1');
    if (target.startsWith('/')) done.length = 0;
    left = [...target.split('/'), ...left];
  }
  return view.find(done.join('/'));
}
