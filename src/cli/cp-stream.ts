import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { removeTree } from '../native/remove-tree.ts';

/** The other end of `cp` is a tar on standard input or output. */
export const isStream = ({
  pod,
  path,
}: {
  readonly pod: string | undefined;
  readonly path: string;
}): boolean => pod === undefined && path === '-';

/** A tar of what `copy` brings to a path of this machine; it has the last name of the container's path in front. */
export function writeStream(source: string, copy: (target: string) => void): void {
  inDirectory(directory => {
    // Nothing of "/", "." and ".." could be a name here.
    const name = basename(source).replace(/^\.*$/, '') || '.';
    copy(join(directory, name));
    tar(['-c', '-C', directory, '-f', '-', '--', `./${name}`], ['ignore', 'inherit', 'inherit']);
  });
}

/** Gives each thing that a tar on standard input has at its top to `copy`. */
export function readStream(copy: (source: string) => void): void {
  inDirectory(directory => {
    tar(['-x', '--no-same-owner', '-C', directory, '-f', '-'], ['inherit', 'ignore', 'inherit']);
    for (const name of readdirSync(directory)) copy(join(directory, name));
  });
}

function tar(args: readonly string[], stdio: ('ignore' | 'inherit')[]): void {
  const { error, status } = spawnSync('tar', args, { stdio });
  if (error !== undefined) throw new UserError(`cannot run tar: ${error.message}`, { cause: error });
  // It has said why.
  if (status !== 0) throw new UserError('tar failed');
}

/** On the disk: it may be more than memory has. Only root can look there. */
function inDirectory(body: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-cp-'));
  try {
    body(directory);
  } finally {
    removeTree(directory);
  }
}
