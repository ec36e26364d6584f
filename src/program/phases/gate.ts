import { CLOSE_RANGE, ERRNO, F } from '../../linux/constants.generated.ts';
import type { OciProcess } from '../../oci/config.ts';
import { CWD, flags, named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { close } from '../mount-calls.ts';
import type { Gate } from '../plan.ts';
import type { DataOperand, ImmediateOperand } from '../program.ts';
import { ALL_FDS } from './namespaces.ts';
import { commandCandidates } from './process.ts';

/** What the program says through `sync`, a byte each, that of LISTENER with an fd. Its end without READY is that of the program. */
export const SYNC = { HOOKS: 'h', READY: 'r', LISTENER: '\0' } as const;

/** The namespaces are there, and the root is not changed yet: the runtime runs hooks, and answers with any byte. */
export function waitForHooks(b: ProgramBuilder): void {
  b.phase('hooks');
  b.call('write', [parameter('sync'), b.text(SYNC.HOOKS), num(1)]);
  readByte(b, parameter('sync'));
}

/** A byte that must come: 0 is the end of who should have written it. */
function readByte(b: ProgramBuilder, fd: Parameters<ProgramBuilder['call']>[1][number]): void {
  const count = b.call('read', [fd, b.bytes(new Uint8Array(1), 'byte'), num(1)]);
  const seen = b.bytes(new Uint8Array(4), 'count');
  b.store(seen, 0, count);
  b.expect(seen, 0, 4, num(1), named(ERRNO.EPIPE, 'EPIPE'));
}

const preservedFds = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => 3 + i);

/** --preserve-fds: these outlive every execve. */
export function keepPreserved(b: ProgramBuilder, count: number): void {
  for (const fd of preservedFds(count)) b.call('fcntl', [num(fd), flags(F, 'F_SETFD'), num(0)]);
}

/** Where {@link closeAllButGate} leaves `sync`. */
const syncFd = ({ preserved }: Gate): ImmediateOperand => num(4 + preserved);

/**
 * Nothing of the host's is left but 0–2, what is preserved, and the two fds of the gate, which execve closes. Returns
 * where `sync` is.
 */
export function closeAllButGate(b: ProgramBuilder, gate: Gate): ImmediateOperand {
  const { preserved } = gate;
  const [fifo, sync, rest] = [num(3 + preserved), syncFd(gate), num(5 + preserved)];
  b.call('dup3', [parameter('fifo'), fifo, b.open('O_CLOEXEC')]);
  b.call('dup3', [parameter('sync'), sync, b.open('O_CLOEXEC')]);
  b.call('close_range', [rest, ALL_FDS, flags(CLOSE_RANGE)]);
  return sync;
}

/** Says that all is done but the execve, and waits: `create` ends then, `start` writes a byte. */
export function waitForStart(b: ProgramBuilder, gate: Gate): void {
  b.phase('wait for start');
  const sync = syncFd(gate);
  b.call('write', [sync, b.text(SYNC.READY), num(1)]);
  close(b, sync);
  readByte(b, num(3 + gate.preserved));
}

const X_OK = num(1);

/** Whether there is a command at all, while somebody still listens: what execve says later only the exit code tells. */
export function findCommand(b: ProgramBuilder, { args, env }: OciProcess): void {
  b.phase('command');
  const found = b.bytes(new Uint8Array([1, 0, 0, 0]), 'found');
  const candidates = commandCandidates(args[0] ?? '', env);
  for (const path of candidates) {
    const result = b.call('faccessat2', [CWD, b.text(path), X_OK, num(0)], {
      ignore: ['ENOENT', 'ENOTDIR', 'EACCES'],
    });
    b.store(found, 0, result);
  }
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) refuseDirectory(b, only, found);
  b.expect(found, 0, 4, num(0), named(ERRNO.ENOENT, 'ENOENT'));
}

/** A directory can be searched, which is X_OK, and not executed; an fd of it is a number that `found` is not to be. */
function refuseDirectory(b: ProgramBuilder, path: string, found: DataOperand): void {
  const fd = b.call('openat', [CWD, b.text(path), b.open('O_PATH', 'O_DIRECTORY', 'O_CLOEXEC')], {
    ignore: ['ENOENT', 'ENOTDIR', 'EACCES'],
  });
  b.store(found, 0, fd);
}
