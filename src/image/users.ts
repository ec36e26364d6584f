import type { ImageIdentity } from '../security/identity.ts';

/** The users and groups that an image knows; the first entry of a name or id counts, as in getpwent(3). */
export type ImageUsers = Pick<ImageIdentity, 'passwd' | 'group'>;

/** A real passwd file is a few kilobytes; an image's may be made to exhaust memory. */
export const MAX_USER_FILE = 1 << 20;
const MAX_LINE = 32768;

/** Reads passwd(5) and group(5) text from an image: lines that are not well formed are skipped, never an error. */
export function parseUsers(passwd: string, group: string): ImageUsers {
  return {
    passwd: records(passwd, 7).flatMap(([name = '', , uid = '', gid = '', , home = '']) => {
      const [user, primary] = [parseId(uid), parseId(gid)];
      return user === undefined || primary === undefined || name === ''
        ? []
        : [{ name, uid: user, gid: primary, home }];
    }),
    group: records(group, 4).flatMap(([name = '', , gid = '', members = '']) => {
      const id = parseId(gid);
      return id === undefined || name === ''
        ? []
        : [{ name, gid: id, members: members.split(',').filter(member => member !== '') }];
    }),
  };
}

function records(text: string, fields: number): string[][] {
  return text
    .slice(0, MAX_USER_FILE)
    .split('\n')
    .filter(line => line !== '' && line.length <= MAX_LINE && !line.startsWith('#'))
    .map(line => line.split(':', fields));
}

/** Strictly decimal: "1" and nothing else is 1, so that no odd spelling becomes root (CVE-2026-30892). */
function parseId(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) return undefined;
  const id = Number(text);
  return id < 2 ** 32 - 1 ? id : undefined;
}
