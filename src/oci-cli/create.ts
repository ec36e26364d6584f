import { readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import { hostArch } from '../native/library.ts';
import { compileSeccomp, SeccompError } from '../native/libseccomp.ts';
import type { OciConfig } from '../oci/config.ts';
import { type ReadConfig, readConfig } from '../oci/read/config.ts';
import { compileFilter, type SeccompFilter } from '../oci/seccomp/generate.ts';
import { applyResources, createCgroups, killAll, planCgroups, removeCgroups } from './cgroup.ts';
import { programFailure } from './errors.ts';
import { recordExec } from './exec-record.ts';
import { poststop } from './hooks.ts';
import { launch } from './launch.ts';
import { configOf, prepareConfig, preservedFds } from './prepare.ts';
import type { WaitingChild } from './spawn.ts';
import { type ContainerRecord, claim, identify, writeAtomically, writeRecord } from './state.ts';

export interface CreateOptions {
  readonly root: string;
  readonly id: string;
  readonly bundle: string;
  readonly configFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  /** An fd in place of the socket: `run` in the foreground. */
  readonly console?: number | undefined;
  readonly pidFile?: string | undefined;
  readonly preserveFds: number;
  readonly isDetached: boolean;
}

/** Makes a container that waits for `start`; what was made before an error is removed again. */
export async function create(options: CreateOptions): Promise<WaitingChild> {
  const bundle = bundleOf(options.bundle);
  const pidFile = options.pidFile === undefined ? undefined : resolve(options.pidFile);
  const read = readBundle(bundle, options.configFile);
  checkConsole(read.config, options);
  const filter = filterFor(read.config);
  if (filter?.listener !== undefined) checkListener(read);
  const directory = claim(options.root, options.id);
  const cgroupsPath = read.hasCgroupsPath ? rooted(read.config.linux.cgroupsPath) : `/${options.id}`;
  let record: ContainerRecord = {
    ociVersion: read.config.ociVersion,
    id: options.id,
    bundle,
    rootfs: read.config.root.path,
    created: new Date().toISOString(),
    annotations: read.config.annotations,
    creator: identify(process.pid),
    cgroup: planCgroups(cgroupsPath),
    cgroupsPath,
    hooks: read.hooks,
    deviceRules: read.resources.devices,
    sharesPid: !read.config.linux.namespaces.some(({ type, path }) => type === 'pid' && path === undefined),
  };
  try {
    writeRecord(directory, record);
    createCgroups(record.cgroup);
    record = { ...record, cgroup: { ...record.cgroup, isOwn: true } };
    writeRecord(directory, record);
    applyResources(cgroupsPath, read.resources);
    const config = prepareConfig(read.config, cgroupsPath);
    const preserved = preservedFds(options.preserveFds);
    const child = await launch(
      directory,
      record,
      { ...read, config: withEnv(config, preserved.env) },
      filter,
      preserved.count,
      options,
    );
    record = { ...record, init: identify(child.pid) };
    recordExec(directory, config, filter);
    if (pidFile !== undefined) writePidFile(pidFile, child.pid);
    writeRecord(directory, record);
    return child;
  } catch (error) {
    killAll(record.cgroup);
    removeCgroups(record.cgroup);
    rmSync(directory, { recursive: true, force: true });
    await poststop(record);
    throw programFailure(error, read.config.process.args[0] ?? '');
  }
}

function bundleOf(path: string): string {
  try {
    const bundle = realpathSync(path);
    if (statSync(bundle).isDirectory()) return bundle;
  } catch (cause) {
    throw new UserError(`bundle ${path}: no such file or directory`, { cause });
  }
  throw new UserError(`bundle ${path}: is not a directory`);
}

function readBundle(bundle: string, configFile: string | undefined): ReadConfig {
  const file = configFile === undefined ? configOf(bundle) : resolve(configFile);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`cannot read ${file}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  const read = readConfig(text, bundle, { capabilities: [], arch: hostArch(), kernelRelease: release() });
  const { path } = read.config.root;
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UserError(`root.path: ${path} is not a directory`);
  return read;
}

/** The contract: a socket where there is a terminal that nobody here looks after, and only there. */
function checkConsole({ process: { terminal } }: OciConfig, options: CreateOptions): void {
  if (!terminal && options.consoleSocket !== undefined)
    throw new UserError('--console-socket: process.terminal is false');
  if (terminal && options.isDetached && options.consoleSocket === undefined)
    throw new UserError('process.terminal is true: --console-socket is needed');
  if (!options.isDetached && options.consoleSocket !== undefined)
    throw new UserError('--console-socket: only with --detach');
}

function filterFor({ linux: { seccomp } }: OciConfig): SeccompFilter | undefined {
  const filter = compileFilter(seccomp, {
    readProfile: () => ({ error: '' }),
    compile: profile => {
      try {
        return compileSeccomp(profile, hostArch());
      } catch (error) {
        if (!(error instanceof SeccompError)) throw error;
        return { error: error.message };
      }
    },
  });
  if (filter !== undefined && 'error' in filter) throw new UserError(`linux.seccomp: ${filter.error}`);
  return filter;
}

/** Whose listener it is must be known when there is one. */
function checkListener({ config: { linux, process }, hooks }: ReadConfig): void {
  const joinsPid = linux.namespaces.some(({ type, path }) => type === 'pid' && path !== undefined);
  if (joinsPid && !process.noNewPrivileges)
    throw new UserError(
      'linux.seccomp.listenerPath: in a PID namespace that is joined it needs process.noNewPrivileges',
    );
  if (hooks.startContainer.length > 0)
    throw new UserError('hooks.startContainer: is not supported with linux.seccomp.listenerPath');
}

const rooted = (path: string): string => (path.startsWith('/') ? path : `/${path}`);

const withEnv = (config: OciConfig, env: readonly string[]): OciConfig => ({
  ...config,
  process: { ...config.process, env: [...config.process.env, ...env] },
});

/** No newline: containerd reads it as it is. */
export function writePidFile(file: string, pid: number): void {
  writeAtomically(file, String(pid));
}
