import {
  closeSync,
  existsSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Cidr, formatAddress } from '../base/addresses.ts';
import { contains, usable } from '../network/addresses.ts';
import { NetworkError } from '../network/errors.ts';
import type { Cleanup } from './cleanup.ts';
import { removeEmptyDirectories } from './empty-directories.ts';
import { isLocked, lockFile, lockIn, waitForLock } from './lock-file.ts';

/**
 * Addresses belong to the machine, not to one --root: the same directory for all. It has a file for each address in use,
 * locked by the command that runs the pod; what it holds is the pod's run directory.
 */
export const LEASES = '/run/podspace/network/leases';

/** Held while a lease is taken or given back. */
const LOCK_FILE = '.lock';
/** Addresses that were given back last, the latest at the end: not given out again while there are others. */
const RECENT_FILE = '.recent';
const MAX_RECENT = 64;

/**
 * Takes an address of each range for as long as this process lives: the lowest that is free and was not used recently.
 * Throws a NetworkError in the words of CNI's host-local if a range has none.
 */
export function leaseAddresses(
  cidrs: readonly Cidr[],
  owner: string,
  cleanup: Cleanup,
  directory = LEASES,
): readonly string[] {
  return locked(directory, () =>
    cidrs.map(cidr => {
      const { address, fd } = lease(cidr, directory);
      cleanup.add('the address of the pod', () => giveBack(directory, address, fd));
      cleanup.keep(`address ${address}`, fd);
      ftruncateSync(fd);
      writeSync(fd, owner);
      return address;
    }),
  );
}

interface Lease {
  readonly address: string;
  readonly fd: number;
}

function lease(cidr: Cidr, directory: string): Lease {
  const taken = new Set(readdirSync(directory));
  const recent = recentlyUsed(directory);
  const address =
    firstFree(cidr, taken, new Set(recent)) ??
    recent.find(address => contains(cidr, address) && !taken.has(address));
  const candidates = address === undefined ? [...taken].filter(name => isIn(cidr, name)) : [address];
  for (const candidate of candidates) {
    // Of the taken ones, those that a killed command has left.
    const fd = lockFile(join(directory, candidate));
    if (fd !== undefined) return { address: candidate, fd };
  }
  const [first, last] = Object.values(usable(cidr)).map(value =>
    formatAddress({ family: cidr.family, value }),
  );
  const range = `${first}-${last}`;
  throw new NetworkError(`no IP addresses available in range set: ${range}`);
}

function firstFree(cidr: Cidr, taken: ReadonlySet<string>, recent: ReadonlySet<string>): string | undefined {
  const { first, last } = usable(cidr);
  for (let value = first; value <= last; value++) {
    const address = formatAddress({ family: cidr.family, value });
    if (!taken.has(address) && !recent.has(address)) return address;
  }
  return undefined;
}

/** Not a file of this module's own. */
const isIn = (cidr: Cidr, name: string): boolean => !name.startsWith('.') && contains(cidr, name);

/** What this process has given back, by directory: the file goes with the last lease. */
const returned = new Map<string, readonly string[]>();

function recentlyUsed(directory: string): readonly string[] {
  const path = join(directory, RECENT_FILE);
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : (returned.get(directory) ?? []);
}

function giveBack(directory: string, address: string, fd: number): void {
  locked(directory, () => {
    remove(directory, [address]);
    closeSync(fd);
  });
}

/** Removes what killed commands have left, of these addresses or of all. */
export function sweepLeases({
  directory = LEASES,
  addresses,
}: {
  readonly directory?: string;
  readonly addresses?: readonly string[] | undefined;
} = {}): void {
  if (!existsSync(directory)) return;
  locked(directory, () => {
    const names = addresses ?? readdirSync(directory).filter(name => !name.startsWith('.'));
    const isLeft = (path: string): boolean => existsSync(path) && !isLocked(path);
    remove(
      directory,
      names.filter(name => isLeft(join(directory, name))),
    );
  });
}

function remove(directory: string, addresses: readonly string[]): void {
  if (addresses.length === 0) return;
  for (const address of addresses) unlinkSync(join(directory, address));
  const others = recentlyUsed(directory).filter(one => !addresses.includes(one));
  const recent = [...others, ...addresses].slice(-MAX_RECENT);
  returned.set(directory, recent);
  writeFileSync(join(directory, RECENT_FILE), recent.join('\n'), { mode: 0o600 });
}

/** Does something with the leases that nobody may do at the same time; and leaves no empty directory. */
function locked<T>(directory: string, body: () => T): T {
  const lock = lockIn(directory, () => waitForLock(join(directory, LOCK_FILE)));
  try {
    try {
      return body();
    } finally {
      if (readdirSync(directory).every(name => name.startsWith('.'))) removeDirectory(directory);
    }
  } finally {
    // Whatever has failed: this process itself will wait for the lock when it undoes what it did.
    closeSync(lock);
  }
}

function removeDirectory(directory: string): void {
  for (const name of [RECENT_FILE, LOCK_FILE])
    if (existsSync(join(directory, name))) unlinkSync(join(directory, name));
  // And those that it is in.
  removeEmptyDirectories([directory, dirname(directory), dirname(dirname(directory))]);
}
