import { UserError } from '../base/errors.ts';
import type { HookKind, OciHook } from '../oci/read/hooks.ts';
import { warn } from './log.ts';
import { type ContainerRecord, stateOf } from './state.ts';

/** Runs hooks of the runtime's own namespaces one after the other; the first that fails is the last. */
export async function runHooks(
  kind: HookKind,
  hooks: readonly OciHook[],
  state: object,
  bundle: string,
): Promise<void> {
  if (hooks.length === 0) return;
  const { spawnSync } = await import('node:child_process');
  hooks.forEach((hook, i) => {
    const [argv0, ...args] = hook.args ?? [hook.path];
    const ran = spawnSync(hook.path, args, {
      argv0: argv0 ?? hook.path,
      cwd: bundle,
      // Without the field, what the runtime has, as runc does.
      env: hook.env === undefined ? process.env : environment(hook.env),
      input: JSON.stringify(state),
      stdio: ['pipe', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      ...(hook.timeout === undefined ? {} : { timeout: hook.timeout * 1000 }),
    });
    const code = ran.error === undefined ? undefined : (ran.error as NodeJS.ErrnoException).code;
    // Whoever does not read its state has not failed: its own exit status tells.
    if (code !== undefined && code !== 'EPIPE')
      throw hookError(
        kind,
        i,
        code === 'ETIMEDOUT' ? `timed out after ${hook.timeout} s` : `${hook.path}: ${code}`,
      );
    if (ran.status === 0) return;
    const words = ran.stderr.toString('utf8').trim().slice(0, 500);
    const how = ran.signal === null ? `exit status ${ran.status}` : `signal ${ran.signal}`;
    throw hookError(kind, i, words === '' ? how : `${how}, stderr: ${words}`);
  });
}

export const hookError = (kind: HookKind, index: number, problem: string): UserError =>
  new UserError(`error running ${kind} hook #${index}: ${problem}`);

export function environment(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map(entry => {
      const [name = '', ...value] = entry.split('=');
      return [name, value.join('=')] as const;
    }),
  );
}

/** A failure after the container is gone is a warning. */
export async function poststop(record: ContainerRecord): Promise<void> {
  for (const hook of record.hooks.poststop)
    try {
      await runHooks('poststop', [hook], stateOf(record, 'stopped'), record.bundle);
    } catch (error) {
      warn(error instanceof Error ? error.message : String(error));
    }
}
