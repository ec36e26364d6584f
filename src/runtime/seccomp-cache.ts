import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Arch } from '../linux/arch.ts';
import { MAX_FILTER_INSTRUCTIONS } from '../linux/seccomp.ts';
import { makeTree } from '../native/exact-mode.ts';
import { COMPILER_VERSION, compileSeccomp, libraryFile, SeccompError } from '../native/libseccomp.ts';
import { formatSeccomp, type OciSeccomp } from '../oci/config.ts';
import { INSTRUCTION_SIZE } from '../oci/seccomp/classic-bpf.ts';

/**
 * Compiled filters, in memory and on disk: libseccomp takes 20 ms for the default profile, a filter from the disk a fifth
 * of one. A file is used only if root alone can have written it, if it names the very profile that is asked for, in full,
 * and if the libseccomp that made it is still the one that is installed. Anything else is as if it were not there.
 */
export class SeccompCache {
  readonly #directory: string;
  readonly #arch: Arch;
  readonly #compile: typeof compileSeccomp;
  readonly #memory = new Map<string, Uint8Array>();

  constructor(state: string, arch: Arch, compile = compileSeccomp) {
    this.#directory = join(state, 'cache', 'seccomp');
    this.#arch = arch;
    this.#compile = compile;
  }

  /** The program for the kernel, or why there is none. */
  compile(seccomp: OciSeccomp): Uint8Array | { readonly error: string } {
    const key = `${COMPILER_VERSION} ${this.#arch} ${formatSeccomp(seccomp)}`;
    const known = this.#memory.get(key);
    if (known !== undefined) return known;
    const file = join(this.#directory, hash(key).toString(16).padStart(16, '0'));
    try {
      const bpf = this.#read(file, key) ?? this.#make(file, key, seccomp);
      if (this.#memory.size >= MAX_ENTRIES) this.#memory.clear();
      this.#memory.set(key, bpf);
      return bpf;
    } catch (error) {
      if (!(error instanceof SeccompError)) throw error;
      return { error: `cannot make the seccomp filter: ${error.message}` };
    }
  }

  #make(file: string, key: string, seccomp: OciSeccomp): Uint8Array {
    const bpf = this.#compile(seccomp, this.#arch);
    try {
      this.#write(file, encode(key, bpf));
    } catch {
      // A disk that is full or read-only costs time, nothing else.
    }
    return bpf;
  }

  #read(file: string, key: string): Uint8Array | undefined {
    let fd: number;
    try {
      if (!isPrivate(lstatSync(this.#directory), 'directory')) return undefined;
      fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch {
      return undefined;
    }
    try {
      const stat = fstatSync(fd);
      if (!isPrivate(stat, 'file') || stat.size > MAX_FILE) return undefined;
      return decode(key, readFileSync(fd));
    } catch {
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  #write(file: string, bytes: Uint8Array): void {
    if (makeTree(this.#directory, 0o700) !== undefined) chmodSync(this.#directory, 0o700);
    if (!isPrivate(lstatSync(this.#directory), 'directory')) return;
    const others = readdirSync(this.#directory);
    // Profiles that are being written and tried; nobody needs a thousand of them.
    if (others.length >= MAX_ENTRIES) for (const name of others) unlinkSync(join(this.#directory, name));
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, bytes, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, file);
  }
}

const MAX_ENTRIES = 64;
/** A profile's JSON, and its program. */
const MAX_FILE = 4 << 20;

interface Stat {
  readonly uid: number;
  readonly mode: number;
  readonly nlink: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

/** Written by ourselves, and by nobody else. */
function isPrivate(stat: Stat, kind: 'file' | 'directory'): boolean {
  const isKind = kind === 'file' ? stat.isFile() && stat.nlink === 1 : stat.isDirectory();
  return isKind && stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0;
}

/** One line about the program, one with the key, the program. */
interface Head {
  readonly library: string;
  readonly checksum: number;
}

function encode(key: string, bpf: Uint8Array): Uint8Array {
  const head: Head = { library: identityOf(libraryFile()), checksum: hash32(bpf) };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n${key}\n`), bpf]);
}

function decode(key: string, bytes: Buffer): Uint8Array | undefined {
  const end = bytes.indexOf(0x0a);
  const head = JSON.parse(bytes.toString('utf8', 0, end)) as Head;
  const wanted = Buffer.from(`${key}\n`);
  const start = end + 1 + wanted.length;
  if (!bytes.subarray(end + 1, start).equals(wanted)) return undefined;
  const bpf = bytes.subarray(start);
  const isWhole = bpf.length > 0 && bpf.length % INSTRUCTION_SIZE === 0;
  if (!isWhole || bpf.length > MAX_FILTER_INSTRUCTIONS * INSTRUCTION_SIZE) return undefined;
  if (hash32(bpf) !== head.checksum) return undefined;
  return identityOf(head.library.split('\0')[0] ?? '') === head.library ? bpf : undefined;
}

/** Which file a library is: another version is another file. */
function identityOf(path: string): string {
  const { ino, size, mtimeMs } = statSync(path);
  return [path, ino, size, mtimeMs].join('\0');
}

/** FNV-1a. No secret hangs on it: what is found by it is compared in full. */
function hash32(bytes: Uint8Array, start = 0x811c9dc5): number {
  let value = start;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

function hash(text: string): bigint {
  const bytes = Buffer.from(text);
  return (BigInt(hash32(bytes)) << 32n) | BigInt(hash32(bytes, 0x9747b28c));
}
