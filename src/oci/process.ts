import { expand } from '../kube/expand.ts';
import type { Container } from '../kube/types.generated.ts';
import type { EffectiveSecurityContext } from '../security/effective.ts';
import type { OciProcess } from './config.ts';
import type { HostFacts } from './host-facts.ts';
import type { ImageDefaults } from './image-config.ts';

/** What a process gets besides its container's own spec. */
export interface ProcessInput {
  readonly container: Container;
  readonly context: EffectiveSecurityContext;
  readonly image: ImageDefaults;
  readonly host: HostFacts;
  readonly hostname: string;
  /** The container's own variables, resolved. */
  readonly env: readonly (readonly [name: string, value: string])[];
  readonly terminal: boolean;
  readonly consoleSize?: OciProcess['consoleSize'];
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** systemd's and the kernel's own soft limit: what a program that uses select(2) can live with. */
const OPEN_FILES = 1024;

/** The `process` part of the config. The capability sets are the CRI's: inheritable and ambient stay empty. */
export function generateProcess(input: ProcessInput): OciProcess {
  const { context, container, image, host } = input;
  const { identity, capabilities } = context;
  return {
    terminal: input.terminal,
    ...(input.consoleSize === undefined ? {} : { consoleSize: input.consoleSize }),
    user: { uid: identity.uid, gid: identity.gid, umask: 0o022, additionalGids: identity.additionalGids },
    args: commandLine(container, image, new Map(input.env)),
    env: environment(input),
    cwd: container.workingDir || image.workingDir || '/',
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      inheritable: [],
      ambient: [],
    },
    rlimits: [
      { type: 'RLIMIT_NOFILE', soft: Math.min(OPEN_FILES, host.maxOpenFiles), hard: host.maxOpenFiles },
    ],
    noNewPrivileges: context.noNewPrivileges,
  };
}

/** `command` replaces the image's Entrypoint and, with it, its Cmd; `args` alone replaces Cmd. */
export function commandLine(
  container: Container,
  image: ImageDefaults,
  env: ReadonlyMap<string, string>,
): readonly string[] {
  const expanded = (words: readonly string[] | undefined): readonly string[] =>
    (words ?? []).map(word => expand(word, name => env.get(name)));
  const command = expanded(container.command);
  const args = expanded(container.args);
  if (command.length > 0) return [...command, ...args];
  return [...image.entrypoint, ...(args.length > 0 ? args : image.cmd)];
}

/** In containerd's order: PATH, (TERM,) HOSTNAME, the image's, the container's own; the last of a name counts. */
function environment({ image, hostname, env, terminal, context }: ProcessInput): readonly string[] {
  const all = [
    DEFAULT_PATH,
    ...(terminal ? ['TERM=xterm'] : []),
    `HOSTNAME=${hostname}`,
    ...image.env,
    ...env.map(([name, value]) => `${name}=${value}`),
  ];
  const byName = new Map<string, string>();
  for (const entry of all) byName.set(entry.slice(0, Math.max(entry.indexOf('='), 0)), entry);
  if (!byName.has('HOME')) byName.set('HOME', `HOME=${context.identity.home}`);
  return [...byName.values()];
}
