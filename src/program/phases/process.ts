import { CAP, ERRNO, IOCTL, PR, RLIMIT, SIG } from '../../linux/constants.generated.ts';
import type { OciProcess } from '../../oci/config.ts';
import { flags, named, num, octal, type ProgramBuilder } from '../builder.ts';
import type { DataOperand } from '../program.ts';
import { openHost } from '../root-paths.ts';
import { hideMemory } from './user-namespace.ts';

type Capability = keyof typeof CAP;

/** Limits late, so that a small NOFILE or NPROC does not break the set-up itself (as runc does). */
export function setLimits(b: ProgramBuilder, process: OciProcess): void {
  b.phase('limits');
  for (const { type, soft, hard } of process.rlimits) {
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, limit(soft), true);
    view.setBigUint64(8, limit(hard), true);
    const resource = flags(RLIMIT, type as keyof typeof RLIMIT);
    b.call('prlimit64', [num(0), resource, b.bytes(bytes, `{soft=${soft}, hard=${hard}}`), num(0)]);
  }
}

/** RLIM_INFINITY is 2^64-1, which no number holds. */
const limit = (value: number): bigint => (value >= 2 ** 64 ? 2n ** 64n - 1n : BigInt(value));

/**
 * The identity, in the kernel's required order: bounding set first (needs CAP_SETPCAP), then groups and ids with the
 * permitted set kept over the change, then the sets themselves, ambient last; no_new_privs after all of them.
 * Raw calls only: libc's would change the ids of every thread of Node.
 */
export function setIdentity(b: ProgramBuilder, process: OciProcess): void {
  setIds(b, process);
  setCapabilities(b, process);
  clearAmbient(b);
  raiseAmbient(b, process);
  if (process.noNewPrivileges)
    b.call('prctl', [flags(PR, 'PR_SET_NO_NEW_PRIVS'), num(1), num(0), num(0), num(0)]);
}

/** The first half of {@link setIdentity}: the ids, with the runtime's permitted capabilities still there. */
export function setIds(b: ProgramBuilder, process: OciProcess): void {
  b.phase('identity');
  const { user, capabilities } = process;
  for (const name of Object.keys(CAP) as Capability[]) {
    // EINVAL: a kernel older than the headers does not know the last ones.
    if (!capabilities.bounding.includes(name))
      b.call('prctl', [flags(PR, 'PR_CAPBSET_DROP'), flags(CAP, name), num(0), num(0), num(0)], {
        ignore: ['EINVAL'],
      });
  }
  b.call('prctl', [flags(PR, 'PR_SET_KEEPCAPS'), num(1), num(0), num(0), num(0)]);
  b.call('setgroups', [num(user.additionalGids.length), groupList(b, user.additionalGids)]);
  b.call('setresgid', [num(user.gid), num(user.gid), num(user.gid)]);
  b.call('setresuid', [num(user.uid), num(user.uid), num(user.uid)]);
  hideMemory(b);
  b.call('prctl', [flags(PR, 'PR_SET_KEEPCAPS'), num(0), num(0), num(0), num(0)]);
}

export function clearAmbient(b: ProgramBuilder): void {
  b.call('prctl', [
    flags(PR, 'PR_CAP_AMBIENT'),
    flags(PR, 'PR_CAP_AMBIENT_CLEAR_ALL'),
    num(0),
    num(0),
    num(0),
  ]);
}

/** Needs each capability in the permitted and inheritable sets. */
export function raiseAmbient(b: ProgramBuilder, { capabilities }: OciProcess): void {
  for (const name of capabilities.ambient) {
    b.call('prctl', [
      flags(PR, 'PR_CAP_AMBIENT'),
      flags(PR, 'PR_CAP_AMBIENT_RAISE'),
      flags(CAP, name as Capability),
      num(0),
      num(0),
    ]);
  }
}

function groupList(b: ProgramBuilder, gids: readonly number[]): DataOperand {
  const bytes = new Uint8Array(Math.max(gids.length, 1) * 4);
  gids.forEach((gid, i) => {
    new DataView(bytes.buffer).setUint32(i * 4, gid, true);
  });
  return b.bytes(bytes, `[${gids.join(', ')}]`);
}

/**
 * After the ids are a user's, nothing is effective, and only CAP_SYS_ADMIN may install a filter without no_new_privs: that
 * one back, for a moment; what the process may have in the end stays permitted.
 */
export function raiseSysAdmin(b: ProgramBuilder, { capabilities }: OciProcess): void {
  const permitted = [...new Set([...capabilities.permitted, 'CAP_SYS_ADMIN'])];
  setCapabilities(b, { capabilities: { ...capabilities, effective: ['CAP_SYS_ADMIN'], permitted } });
}

/** capset(2), version 3: two words for each set, in the order effective, permitted, inheritable. */
export function setCapabilities(b: ProgramBuilder, { capabilities }: Pick<OciProcess, 'capabilities'>): void {
  const header = new Uint8Array(8);
  new DataView(header.buffer).setUint32(0, 0x20080522, true);
  const data = new Uint8Array(24);
  const view = new DataView(data.buffer);
  [capabilities.effective, capabilities.permitted, capabilities.inheritable].forEach((set, i) => {
    const mask = capabilityMask(set);
    view.setUint32(i * 4, Number(mask & 0xffffffffn), true);
    view.setUint32(12 + i * 4, Number(mask >> 32n), true);
  });
  const text = `{effective=${hex(capabilities.effective)}, permitted=${hex(capabilities.permitted)}, inheritable=${hex(capabilities.inheritable)}}`;
  b.call('capset', [b.bytes(header, '{_LINUX_CAPABILITY_VERSION_3}'), b.bytes(data, text)]);
}

/** The kernel's bit set of capability names. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(CAP[name as Capability])), 0n);
}

function hex(names: readonly string[]): string {
  return capabilityMask(names).toString(16).padStart(16, '0');
}

/**
 * The working directory, entered when no fd but 0–2 is left, so that no /proc/self/fd link can lead out of the root. Tried
 * twice, as runc and crun do: as root, because the user may be in a directory that only root may enter, and once the ids
 * have changed, because root may be the one who is refused (NFS, FUSE). Either will do; `entered` becomes 0 then.
 */
export function enterWorkingDirectory(b: ProgramBuilder, cwd: string, entered: DataOperand): void {
  const result = b.call('chdir', [b.text(cwd)], { ignore: ['EACCES'] });
  b.store(entered, 0, result);
}

/** For {@link enterWorkingDirectory}: not yet. */
export function notEntered(b: ProgramBuilder): DataOperand {
  return b.bytes(new Uint8Array([1, 0, 0, 0]), 'entered');
}

/** That it was entered, and that it is inside the root: getcwd(2) says "(unreachable)…" for a directory outside of it. */
/** PATH_MAX bytes for the kernel to fill; data is copied into each block, so that all programs can have the same. */
const PATH_BUFFER = new Uint8Array(4096);

export function checkWorkingDirectory(b: ProgramBuilder, entered: DataOperand): void {
  b.expect(entered, 0, 4, num(0), named(ERRNO.EACCES, 'EACCES'));
  const buffer = b.bytes(PATH_BUFFER, 'cwd');
  b.call('getcwd', [buffer, num(4096)]);
  b.expect(buffer, 0, 1, named(0x2f, "'/'"), named(1, 'EPERM'));
}

/** A session of its own, so that no process of the container can reach the terminal podspace was started from. */
export function becomeSessionLeader(b: ProgramBuilder, hasTerminal: boolean): void {
  b.phase('session');
  b.call('setsid', []);
  if (hasTerminal) b.call('ioctl', [num(0), flags(IOCTL, 'TIOCSCTTY'), num(0)]);
}

/** Needs CAP_SYS_RESOURCE to go below the runtime's own value; the kernel's EACCES is then the honest answer. */
export function setOomScore(b: ProgramBuilder, process: OciProcess): void {
  if (process.oomScoreAdj === undefined) return;
  b.phase('oom score');
  const fd = openHost(b, '/proc/self/oom_score_adj', 'O_WRONLY', 'O_CLOEXEC');
  const text = String(process.oomScoreAdj);
  b.call('write', [fd, b.text(text), num(text.length)]);
  b.call('close', [fd]);
}

/** The container must not outlive the command that holds it; after the ids, because changing them clears it. */
export function dieWithParent(b: ProgramBuilder): void {
  b.call('prctl', [flags(PR, 'PR_SET_PDEATHSIG'), flags(SIG, 'SIGKILL'), num(0), num(0), num(0)]);
}

export function setUmask(b: ProgramBuilder, process: OciProcess): void {
  b.call('umask', [octal(process.user.umask)]);
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where execvp(3) would look for a command, given the process' own PATH. */
export function commandCandidates(command: string, env: readonly string[]): readonly string[] {
  if (command.includes('/')) return [command];
  const path = env.findLast(entry => entry.startsWith('PATH='))?.slice(5) ?? DEFAULT_PATH;
  return path.split(':').map(directory => `${directory === '' ? '.' : directory}/${command}`);
}

/** All of them have been blocked since before the clone; it is inherited over execve. */
export function unblockSignals(b: ProgramBuilder): void {
  b.phase('execute');
  b.call('rt_sigprocmask', [
    named(2, 'SIG_SETMASK'),
    b.bytes(new Uint8Array(8), '[]'),
    named(0, 'NULL'),
    num(8),
  ]);
}

/** The last step. */
export function execute(b: ProgramBuilder, process: OciProcess): void {
  b.phase('execute');
  const argv = b.texts(process.args);
  const envp = b.texts(process.env);
  const candidates = commandCandidates(process.args[0] ?? '', process.env);
  candidates.forEach((path, i) => {
    // execvp(3) goes on after these; what it finally reports is worked out from the results of all of them.
    const ignore = i === candidates.length - 1 ? [] : (['ENOENT', 'ENOTDIR', 'EACCES'] as const);
    b.call('execve', [b.text(path), argv, envp], { ignore });
  });
}
