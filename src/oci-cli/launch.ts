import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../base/errors.ts';
import { execute, reap } from '../native/execute.ts';
import { syscall } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import { procfsFd } from '../native/procfs.ts';
import type { OciConfig } from '../oci/config.ts';
import type { ReadConfig } from '../oci/read/config.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { compileContainer } from '../program/compile.ts';
import { compileDeviceRules, compileUserNamespace } from '../program/compile-sandbox.ts';
import type { ContainerPlan } from '../program/plan.ts';
import { joinsOf } from './cgroup.ts';
import { runContainerHooks } from './container-hooks.ts';
import { copiedUp, copiesUp } from './copy-up.ts';
import type { CreateOptions } from './create.ts';
import { runHooks } from './hooks.ts';
import { allDeviceRules, fileMounts, inheritedStreams, maskedDirectories } from './prepare.ts';
import { handListener } from './seccomp-agent.ts';
import { connectTo, highFd, spawnWaiting, type WaitingChild } from './spawn.ts';
import { type ContainerRecord, fifoOf, identify, stateOf, writeRecord } from './state.ts';

/** Starts the container's process, which waits then. */
export async function launch(
  directory: string,
  record: ContainerRecord,
  read: ReadConfig,
  filter: SeccompFilter | undefined,
  preserved: number,
  options: CreateOptions,
): Promise<WaitingChild> {
  const fds: number[] = [];
  const opened = (fd: number): number => {
    fds.push(fd);
    return fd;
  };
  const high = (fd: number): number => {
    opened(fd);
    return opened(highFd(fd, preserved));
  };
  try {
    const config = await withUserNamespace(read.config, opened);
    const { cgroup } = record;
    const hasRules = cgroup.isV2 && cgroup.tracking !== undefined;
    const plan: ContainerPlan = {
      config,
      rootfs: { kind: 'directory', path: config.root.path },
      runner: 'shim',
      subPaths: {},
      maskedDirectories: maskedDirectories(config),
      fileMounts: fileMounts(config.mounts),
      cgroupProcs: joinsOf(record.cgroupsPath),
      deviceCgroup: hasRules ? cgroup.tracking : undefined,
      seccomp: filter,
      isAudited: false,
      stdin: 'inherit',
      inherited: config.process.terminal
        ? { owned: [], null: [] }
        : inheritedStreams(config.process.user.uid),
      sysctls: read.sysctls,
      gate: {
        preserved,
        hasHooks: [read.hooks.prestart, read.hooks.createRuntime, read.hooks.createContainer].some(
          hooks => hooks.length > 0,
        ),
      },
    };
    const madeMounts = new Map(
      config.mounts.filter(copiesUp).map((mount, i) => [mount, `copy${i}`] as const),
    );
    const compiled = compileContainer({ ...plan, madeMounts }, hostArch());
    const fifo = fifoOf(directory);
    syscall('mknodat', [-100, fifo, constants.S_IFIFO | 0o600, 0], fifo);
    const parameters: Record<string, number> = {
      fifo: high(openSync(fifo, constants.O_RDWR)),
      procfs: procfsFd(),
    };
    for (const [mount, name] of madeMounts) parameters[name] = high(copiedUp(config.root.path, mount));
    if (hasRules) parameters.devices = await loadRules(read, opened);
    if (config.process.terminal)
      parameters.console =
        options.console ?? high(connectTo(resolve(options.consoleSocket ?? ''), '--console-socket'));
    const born =
      cgroup.isV2 && cgroup.tracking !== undefined ? opened(openSync(cgroup.tracking, 'r')) : undefined;
    return await spawnWaiting(compiled, {
      parameters,
      cgroup: born,
      preserved,
      onHooks: pid => hooksBeforePivot(directory, record, read, pid),
      onListener: filter?.listener === undefined ? undefined : handOn(filter.listener, record),
    });
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

const handOn =
  (listener: NonNullable<SeccompFilter['listener']>, record: ContainerRecord) =>
  (fd: number, pid: number): void =>
    handListener(listener, fd, { ...record, init: identify(pid) }, 'creating', pid);

async function hooksBeforePivot(
  directory: string,
  record: ContainerRecord,
  { hooks, config }: ReadConfig,
  pid: number,
): Promise<void> {
  const made = { ...record, init: identify(pid) };
  writeRecord(directory, made);
  const state = stateOf(made, 'creating');
  await runHooks('prestart', hooks.prestart, state, record.bundle);
  await runHooks('createRuntime', hooks.createRuntime, state, record.bundle);
  const hasUsers = config.linux.namespaces.some(({ type }) => type === 'user');
  await runContainerHooks('createContainer', hooks.createContainer, state, { pid, hasUsers });
}

async function loadRules(read: ReadConfig, opened: (fd: number) => number): Promise<number> {
  const { filter, ...compiled } = compileDeviceRules(allDeviceRules(read.resources.devices), hostArch());
  const child = await execute(compiled);
  reap(child);
  return opened(child.report.result(filter));
}

/**
 * A new user namespace is made before the program, by a child that has ended when its maps are written: whoever is
 * outside must do that, user_namespaces(7).
 */
async function withUserNamespace(config: OciConfig, opened: (fd: number) => number): Promise<OciConfig> {
  const { linux } = config;
  const user = linux.namespaces.find(({ type }) => type === 'user');
  if (user === undefined || user.path !== undefined) return config;
  const { exports, ...compiled } = compileUserNamespace(hostArch());
  const child = await execute(compiled);
  try {
    for (const [file, rows] of Object.entries({ uid_map: linux.uidMappings, gid_map: linux.gidMappings }))
      writeFileSync(
        `/proc/${child.pid}/${file}`,
        (rows ?? []).map(row => `${row.containerID} ${row.hostID} ${row.size}`).join('\n'),
      );
  } catch (cause) {
    throw new UserError(`linux.uidMappings, linux.gidMappings: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  } finally {
    reap(child);
  }
  const fd = opened(child.report.result(exports.namespaces.get('user') ?? -1));
  const path = `/proc/${process.pid}/fd/${fd}`;
  return {
    ...config,
    linux: {
      ...linux,
      namespaces: linux.namespaces.map(one => (one.type === 'user' ? { ...one, path } : one)),
    },
  };
}
