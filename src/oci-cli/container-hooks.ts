import { closeSync, writeSync } from 'node:fs';
import { SIG } from '../linux/constants.generated.ts';
import { duplicate, executeInShim, signalPidfd } from '../native/execute.ts';
import { syscall } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import { makePipe } from '../native/pipe.ts';
import type { OciProcess } from '../oci/config.ts';
import type { HookKind, OciHook } from '../oci/read/hooks.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { compileExec } from '../program/compile.ts';
import { waitForExit } from '../runtime/child-exits.ts';
import { programFailure } from './errors.ts';
import { hookError } from './hooks.ts';
import { ownCapabilities } from './prepare.ts';

interface Target {
  readonly pid: number;
  readonly hasUsers: boolean;
  /** Whom the hook is run as; without, as we are. */
  readonly process?: OciProcess;
  readonly seccomp?: SeccompFilter | undefined;
}

/** Runs hooks in the container's namespaces. Before its root is changed, paths there are the runtime's own. */
export async function runContainerHooks(
  kind: HookKind,
  hooks: readonly OciHook[],
  state: object,
  target: Target,
): Promise<void> {
  for (const [i, hook] of hooks.entries()) {
    let exitCode: number | 'timeout';
    try {
      exitCode = await runOne(hook, JSON.stringify(state), target);
    } catch (error) {
      const cause = programFailure(error, hook.path);
      throw hookError(kind, i, cause instanceof Error ? cause.message : String(cause));
    }
    if (exitCode === 'timeout') throw hookError(kind, i, `timed out after ${hook.timeout} s`);
    if (exitCode !== 0) throw hookError(kind, i, `exit status ${exitCode}`);
  }
}

async function runOne(hook: OciHook, state: string, target: Target): Promise<number | 'timeout'> {
  const pidfd = syscall('pidfd_open', [target.pid, 0]);
  const input = makePipe();
  const output = duplicate(2);
  try {
    // A state is far smaller than a pipe.
    writeSync(input.write, state);
    closeSync(input.write);
    const compiled = compileExec(
      {
        process: hookProcess(hook, target.process),
        isDetachable: false,
        seccomp: target.seccomp,
        cgroupProcs: [],
        ...(target.hasUsers ? { hostRoot: 0 } : {}),
      },
      hostArch(),
    );
    const parameters = { pidfd, stdin: input.read, stdout: output, stderr: output };
    const child = await executeInShim(compiled, { parameters });
    const exit = waitForExit(child.pidfd);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<'timeout'>(resolve => {
      if (hook.timeout !== undefined) timer = setTimeout(() => resolve('timeout'), hook.timeout * 1000);
    });
    const first = await Promise.race([exit, timeout]);
    clearTimeout(timer);
    if (first !== 'timeout') return first.exitCode;
    signalPidfd(child.pidfd, SIG.SIGKILL);
    await exit;
    return 'timeout';
  } finally {
    for (const fd of [pidfd, input.read, output]) closeSync(fd);
  }
}

function hookProcess(hook: OciHook, identity: OciProcess | undefined): OciProcess {
  const own = ownCapabilities();
  const env = identity?.env ?? Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  const base: OciProcess = identity ?? {
    terminal: false,
    user: { uid: 0, gid: 0, umask: 0o022, additionalGids: [] },
    args: [],
    env: [],
    cwd: '/',
    capabilities: { bounding: own, effective: own, permitted: own, inheritable: [], ambient: [] },
    rlimits: [],
    noNewPrivileges: false,
  };
  return {
    ...base,
    terminal: false,
    cwd: '/',
    rlimits: [],
    // The path is what is executed; its name for itself is args[0].
    args: [hook.path, ...(hook.args ?? []).slice(1)],
    env: hook.env ?? env,
  };
}
