import { closeSync, readdirSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { F, MFD } from '../linux/constants.generated.ts';
import { koffi } from './koffi.ts';
import { rawSyscall, syscall } from './libc.ts';

type Context = object;

/** Prototypes of nftables/libnftables.h, by name; libnftables(3). */
const PROTOTYPES = {
  nft_ctx_new: ['void *', ['uint32_t']],
  nft_ctx_free: ['void', ['void *']],
  nft_ctx_set_dry_run: ['void', ['void *', 'bool']],
  nft_ctx_buffer_output: ['int', ['void *']],
  nft_ctx_buffer_error: ['int', ['void *']],
  nft_ctx_get_output_buffer: ['str', ['void *']],
  nft_ctx_get_error_buffer: ['str', ['void *']],
  nft_run_cmd_from_filename: ['int', ['void *', 'str']],
} as const;

interface Libnftables {
  nft_ctx_new(flags: number): Context | null;
  nft_ctx_free(context: Context): void;
  nft_ctx_set_dry_run(context: Context, isDry: boolean): void;
  nft_ctx_buffer_output(context: Context): number;
  nft_ctx_buffer_error(context: Context): number;
  nft_ctx_get_output_buffer(context: Context): string;
  nft_ctx_get_error_buffer(context: Context): string;
  nft_run_cmd_from_filename(context: Context, path: string): number;
}

/** The name that every distribution's package has. */
export const LIBRARY = 'libnftables.so.1';
let library: Libnftables | 'missing' | undefined;

/** Loaded when rules change, which they do not for most commands. */
function libnftables(): Libnftables | undefined {
  if (library === undefined) {
    try {
      const loaded = koffi.load(LIBRARY);
      const functions = Object.entries(PROTOTYPES).map(([name, [result, parameters]]) => [
        name,
        loaded.func(name, result, [...parameters]),
      ]);
      library = Object.fromEntries(functions) as Libnftables;
    } catch {
      library = 'missing';
    }
  }
  return library === 'missing' ? undefined : library;
}

/** What nft printed; `error` is empty if all went well. */
export interface NftResult {
  readonly output: string;
  readonly error: string;
}

/** The context of a network namespace, by the inode of that. */
let opened: { readonly network: number; readonly context: Context } | undefined;

/**
 * The context of the calling thread's network namespace. It is kept: the kernel lets nobody change rules while the socket of
 * one is closed that has just changed some, which takes it until nobody can look at the old ones any more, ten milliseconds.
 */
function contextOf(lib: Libnftables): Context | undefined {
  const network = statSync('/proc/thread-self/ns/net').ino;
  if (opened?.network === network) return opened.context;
  const before = new Set(sockets());
  const context = lib.nft_ctx_new(0) ?? undefined;
  if (context === undefined) return undefined;
  // The library's own socket would be there in every program that is started. Another thread's may be closed by now.
  for (const fd of sockets()) if (!before.has(fd)) rawSyscall('fcntl', fd, F.F_SETFD, FD_CLOEXEC);
  lib.nft_ctx_buffer_output(context);
  lib.nft_ctx_buffer_error(context);
  if (opened === undefined) process.once('exit', () => free(lib));
  else free(lib);
  opened = { network, context };
  return context;
}

function free(lib: Libnftables): void {
  if (opened !== undefined) lib.nft_ctx_free(opened.context);
  opened = undefined;
}

const FD_CLOEXEC = 1;

/** fds of this process. */
function sockets(): readonly number[] {
  return readdirSync('/proc/self/fd').map(Number).filter(isSocket);
}

function isSocket(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
  } catch {
    // It was the one that the directory was read with, or another thread's.
    return false;
  }
}

/**
 * Has the library do commands in the network namespace of the calling thread, all of them or none. With `check` it only
 * asks the kernel whether it would. Undefined if the library is not there.
 */
export function runLibnftables(commands: string, check: boolean): NftResult | undefined {
  const lib = libnftables();
  const context = lib === undefined ? undefined : contextOf(lib);
  if (lib === undefined || context === undefined) return undefined;
  const fd = syscall('memfd_create', ['podspace-nft', MFD.MFD_CLOEXEC]);
  try {
    // Of a file it says in which line a mistake is, of text in memory it does not.
    writeFileSync(fd, commands);
    lib.nft_ctx_set_dry_run(context, check);
    const status = lib.nft_run_cmd_from_filename(context, `/proc/self/fd/${fd}`);
    // Each is emptied when it is read.
    const error = lib.nft_ctx_get_error_buffer(context);
    const output = lib.nft_ctx_get_output_buffer(context);
    return { output, error: status === 0 ? '' : error || `it ended with ${status}` };
  } finally {
    closeSync(fd);
  }
}
