import {
  closeSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import { RULES_FILE, RULES_LOCK } from '../network/apply.ts';
import type { NetworkObjects } from '../network/objects.ts';
import type { NetworkPod } from '../network/state.ts';
import type { Roots } from '../oci/pod-paths.ts';
import type { Cleanup } from './cleanup.ts';
import type { DnsAddress } from './cluster-dns.ts';
import { removeEmptyDirectories } from './empty-directories.ts';
import { isLocked, lockFile, lockIn } from './lock-file.ts';

/**
 * What the network must know of every pod of the machine, whatever its --root: a file for each, and one beside it that is
 * locked for as long as the command that runs the pod lives.
 */
export const NODE_DIRECTORY = '/run/podspace/network';
const PODS = join(NODE_DIRECTORY, 'pods');

/** A live pod, and the objects that it brought along. */
export interface NodeRecord {
  readonly pod: NetworkPod;
  readonly objects: NetworkObjects;
  /** Where its addresses are from. */
  readonly podCidrs: readonly string[];
  /** Where the pod's questions about names go. */
  readonly dns?: DnsAddress;
}

export interface StoredRecord extends NodeRecord {
  /** Of the command that runs the pod: what is stored there counts. */
  readonly roots: Roots;
  /** Inode of the network namespace of the node: on one machine there can be several, in tests above all. */
  readonly node: number;
}

const thisNetwork = (): number => statSync('/proc/self/ns/net').ino;

const inDirectory = (file: string): string => join(NODE_DIRECTORY, file);

/** Held while host ports are claimed. */
export const CLAIMS_LOCK = inDirectory('claims.lock');

/** The entry of one pod. */
export class NodeEntry {
  readonly #path: string;
  readonly #roots: Roots;
  #isWithdrawn = false;

  /** Of a pod whose lock somebody has already. */
  constructor(uid: string, roots: Roots) {
    this.#roots = roots;
    this.#path = join(PODS, uid);
  }

  static create(uid: string, roots: Roots, cleanup: Cleanup): NodeEntry {
    const entry = new NodeEntry(uid, roots);
    let lock: number | undefined;
    cleanup.add('what the network knows of the pod', () => {
      entry.remove();
      if (lock !== undefined) closeSync(lock);
      removeEmptyNode();
    });
    lock = lockIn(PODS, () => lockFile(`${entry.#path}.lock`));
    cleanup.keep('network', lock);
    return entry;
  }

  remove(): void {
    removeEntry(this.#path);
  }

  /** As it was written last. */
  read(): NodeRecord | undefined {
    return read(`${this.#path}.json`);
  }

  write(record: NodeRecord): void {
    if (this.#isWithdrawn) return;
    const stored: StoredRecord = { ...record, roots: this.#roots, node: thisNetwork() };
    writeFileSync(`${this.#path}.new`, JSON.stringify(stored), { mode: 0o600 });
    renameSync(`${this.#path}.new`, `${this.#path}.json`);
  }

  /** The pod has ended, for everybody who makes rules from now on: pods that end together must not see each other. */
  withdraw(): void {
    this.#isWithdrawn = true;
    remove(`${this.#path}.json`);
  }
}

/** Nothing is left of a node without pods. Who holds one of the locks sees that its file has gone, and takes a new one. */
export function removeEmptyNode(): void {
  try {
    rmdirSync(PODS);
  } catch (error) {
    if (errnoCode(error) === 'ENOTEMPTY') return;
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
  for (const file of [CLAIMS_LOCK, ...[RULES_LOCK, RULES_FILE, `${RULES_FILE}.new`].map(inDirectory)])
    remove(file);
  removeEmptyDirectories([NODE_DIRECTORY, dirname(NODE_DIRECTORY)]);
}

/** Records as they were read last, by path: an agent of hundreds of pods asks for all of them whenever one changes. */
const known = new Map<string, { readonly stamp: string; readonly record: StoredRecord }>();

/** Every live pod of this node. What dead commands have left is removed on the way. */
export function readNode(): readonly StoredRecord[] {
  const network = thisNetwork();
  const uids = list();
  if (known.size > uids.length) known.clear();
  return uids.flatMap(uid => {
    const path = join(PODS, uid);
    if (!isLocked(`${path}.lock`)) {
      removeEntry(path);
      return [];
    }
    const record = readAgain(`${path}.json`);
    return record?.node === network ? [record] : [];
  });
}

/** A record is always another file, renamed to its place: one that is the same file has the same content. */
function readAgain(path: string): StoredRecord | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const stamp = [stat.ino, stat.ctimeMs, stat.mtimeMs, stat.size].join(' ');
  const last = known.get(path);
  if (last?.stamp === stamp) return last.record;
  const record = read(path);
  if (record !== undefined) known.set(path, { stamp, record });
  return record;
}

/** The pods that have any file: one whose command was killed early has its lock only. */
function list(): readonly string[] {
  try {
    return [...new Set(readdirSync(PODS).map(file => parse(file).name))].sort();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function read(path: string): StoredRecord | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as StoredRecord;
  } catch (error) {
    // It has ended since.
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function removeEntry(path: string): void {
  for (const each of ['.json', '.new', '.lock']) remove(`${path}${each}`);
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
}
