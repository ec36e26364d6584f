import { closeSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import { isCapability } from '../linux/capabilities.ts';
import { executeInShim } from '../native/execute.ts';
import { syscall } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import { procfsFd } from '../native/procfs.ts';
import type { OciProcess } from '../oci/config.ts';
import { readProcessFile } from '../oci/read/config.ts';
import { compileExec } from '../program/compile.ts';
import { waitForExit } from '../runtime/child-exits.ts';
import { joinsOf } from './cgroup.ts';
import { withCgroupFd } from './cgroup-fd.ts';
import { writePidFile } from './create.ts';
import { programFailure } from './errors.ts';
import { readExec } from './exec-record.ts';
import { forwardSignals } from './foreground.ts';
import { withHome } from './home.ts';
import type { Arguments } from './options.ts';
import { availableCapabilities, inheritedStreams, preservedFds } from './prepare.ts';
import { handListener, listenerSocket } from './seccomp-agent.ts';
import { connectTo, highFd } from './spawn.ts';
import { directoryOf, isAlive, readRecord, statusOf } from './state.ts';
import { attachTerminal } from './terminal.ts';

/** `exec`: a process beside the container's own. Returns the exit code. */
export async function exec(root: string, id: string, args: Arguments): Promise<number> {
  const record = readRecord(root, id);
  const status = statusOf(root, record);
  const { init } = record;
  if (init === undefined || status === 'stopped')
    throw new UserError('cannot exec in a stopped container: container not running');
  if (status === 'created') throw new UserError('cannot exec in a container that is not started');
  if (status === 'paused' && !args.flag('ignore-paused'))
    throw new UserError('cannot exec in a paused container (use --ignore-paused to override)');
  const container = readExec(directoryOf(root, id));
  const asked = withHome(askedProcess(container.process, args), record.rootfs);
  const preserved = preservedFds(args.number('preserve-fds', 1024) ?? 0);
  const process: OciProcess = {
    ...asked,
    env: [...asked.env, ...preserved.env],
    capabilities: availableCapabilities(asked.capabilities),
  };
  const listener = container.seccomp?.listener;
  // With privileges the filter comes before the clone: whose pid would it be?
  if (listener !== undefined && !process.noNewPrivileges)
    throw new UserError('exec: linux.seccomp.listenerPath needs process.noNewPrivileges');
  const isDetached = args.flag('detach');
  const consoleSocket = args.text('console-socket');
  if (consoleSocket !== undefined && !process.terminal)
    throw new UserError('--console-socket: the process has no terminal');
  if (process.terminal && isDetached && consoleSocket === undefined)
    throw new UserError('--detach with a terminal: --console-socket is needed');
  const pidFile = args.text('pid-file');
  const file = pidFile === undefined ? undefined : resolve(pidFile);
  const streams = process.terminal ? { owned: [], null: [] } : inheritedStreams(process.user.uid);
  const compiled = compileExec(
    {
      process,
      isDetachable: true,
      seccomp: container.seccomp,
      cgroupProcs: joinsOf(record.cgroupsPath),
      // The streams are given away by the numbers of the machine, which are those of the user where it has no namespace.
      inherited: { owned: container.hasUsers ? [] : streams.owned, null: [], preserved: preserved.count },
      ...(container.hasUsers ? { hostRoot: 0 } : {}),
    },
    hostArch(),
  );
  const agent = listener === undefined ? undefined : listenerSocket();
  const pidfd = syscall('pidfd_open', [init.pid, 0]);
  const terminal = process.terminal && consoleSocket === undefined ? attachTerminal() : undefined;
  const console =
    consoleSocket === undefined ? terminal?.socket : connectTo(resolve(consoleSocket), '--console-socket');
  try {
    if (!isAlive(init)) throw new UserError('container not running');
    const parameters: Record<string, number> = {
      pidfd: highFd(pidfd, preserved.count),
      procfs: highFd(procfsFd(), preserved.count),
      ...(console === undefined ? {} : { console: highFd(console, preserved.count) }),
      ...(agent === undefined ? {} : { agent: highFd(agent.agent, preserved.count) }),
    };
    const child = await withCgroupFd(record.cgroup, cgroup =>
      executeInShim(compiled, {
        parameters,
        ...cgroup,
        preserved: preserved.count,
        ...(listener === undefined || agent === undefined
          ? {}
          : {
              meanwhile: async pid => {
                closeSync(parameters.agent ?? -1);
                const fd = await agent.receive();
                if (fd === undefined) return;
                try {
                  handListener(listener, fd, record, status, pid());
                } finally {
                  closeSync(fd);
                }
              },
            }),
      }),
    );
    if (file !== undefined) writePidFile(file, child.pid);
    if (isDetached) return 0;
    forwardSignals(child.pidfd);
    const shown = terminal?.show();
    const { exitCode } = await waitForExit(child.pidfd);
    await shown;
    return exitCode;
  } catch (error) {
    throw programFailure(error, process.args[0] ?? '');
  } finally {
    terminal?.restore();
    closeSync(pidfd);
  }
}

/** A process.json, or the container's own process with another command and what the options say. */
function askedProcess(own: OciProcess, args: Arguments): OciProcess {
  const file = args.text('process');
  if (file !== undefined) return readProcessFile(readText(file), file);
  const command = args.rest.slice(1);
  if (command.length === 0) throw new UserError('exec: a command is needed, or --process FILE');
  const user = args.text('user');
  const caps = args.texts('cap').map(name => {
    const full = name.startsWith('CAP_') ? name : `CAP_${name}`;
    if (!isCapability(full)) throw new UserError(`option --cap: unknown capability ${JSON.stringify(name)}`);
    return full;
  });
  const { bounding, effective, permitted, inheritable, ambient } = own.capabilities;
  const { consoleSize: _, ...rest } = own;
  const env = user === undefined ? own.env : own.env.filter(entry => !entry.startsWith('HOME='));
  return {
    ...rest,
    args: command,
    terminal: args.flag('tty'),
    cwd: args.text('cwd') ?? own.cwd,
    env: [...env, ...args.texts('env')],
    noNewPrivileges: args.flag('no-new-privs') || own.noNewPrivileges,
    user: user === undefined ? own.user : { ...own.user, ...parseUser(user) },
    // Never inheritable by an option: CVE-2022-29162.
    capabilities: {
      bounding: [...new Set([...bounding, ...caps])],
      effective: [...new Set([...effective, ...caps])],
      permitted: [...new Set([...permitted, ...caps])],
      inheritable,
      ambient,
    },
    ...(args.text('apparmor') === undefined ? {} : { apparmorProfile: args.text('apparmor') }),
    ...(args.text('process-label') === undefined ? {} : { selinuxLabel: args.text('process-label') }),
  } as OciProcess;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`option --process: cannot read ${file}`, { cause });
  }
}

/** `uid[:gid]`, decimal digits only: "1x" must not become 1, nor "" 0 (CVE-2026-30892). */
export function parseUser(text: string): { readonly uid: number; readonly gid?: number } {
  const [, uid, gid] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text) ?? [];
  const most = 2 ** 32 - 2;
  if (uid === undefined || Number(uid) > most || Number(gid ?? 0) > most)
    throw new UserError(`option --user: ${JSON.stringify(text.slice(0, 60))} is not uid[:gid]`);
  return { uid: Number(uid), ...(gid === undefined ? {} : { gid: Number(gid) }) };
}
