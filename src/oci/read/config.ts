import type { OciConfig, OciProcess } from '../config.ts';
import type { SeccompTarget } from '../seccomp/profile.ts';
import { type OciHooks, readHooks } from './hooks.ts';
import { ConfigError, Fields, parseJson, present } from './json.ts';
import { readLinux } from './linux.ts';
import { readMount } from './mounts.ts';
import { readProcess } from './process.ts';
import { type RuntimeResources, readResources } from './resources.ts';
import { readSysctls, type Sysctl } from './sysctls.ts';

/** A foreign config.json, in the words that the compiler knows. */
export interface ReadConfig {
  readonly config: OciConfig;
  readonly resources: RuntimeResources;
  readonly sysctls: readonly Sysctl[];
  readonly hooks: OciHooks;
  /** Whether `linux.cgroupsPath` is said; `config` holds "" then. */
  readonly hasCgroupsPath: boolean;
}

/** What runtimes refuse too: a config of this size describes no container. */
const MAX_SIZE = 16 * 2 ** 20;

/** Reads a config.json in the directory `bundle`. Throws a {@link ConfigError} that names the field. */
export function readConfig(text: string, bundle: string, target: SeccompTarget): ReadConfig {
  const root = new Fields(parse(text, 'config.json'), '');
  root.refuse('solaris', 'windows', 'vm', 'zos', 'freebsd');
  const ociVersion = root.text('ociVersion') ?? root.fail('ociVersion', 'is missing');
  if (!/^1\.\d+\.\d+(-.*)?$/.test(ociVersion))
    root.fail('ociVersion', `${JSON.stringify(ociVersion.slice(0, 60))} is not 1.x.y`);
  const linux = root.object('linux') ?? root.fail('linux', 'is missing');
  const process = readProcess(root.object('process') ?? root.fail('process', 'is missing'));
  const rootfs = root.object('root') ?? root.fail('root', 'is missing');
  const path = rootfs.text('path') || rootfs.fail('path', 'is missing');
  const read = readLinux(linux, { ...target, capabilities: process.capabilities.bounding as never });
  const has = (type: string): boolean => read.namespaces.some(one => one.type === type);
  for (const key of ['hostname', 'domainname'] as const)
    if ((root.text(key) ?? '') !== '' && !has('uts')) root.fail(key, 'needs a "uts" namespace');
  const cgroupsPath = linux.text('cgroupsPath') ?? '';
  if (cgroupsPath.split('/').includes('..')) linux.fail('cgroupsPath', 'contains ".."');
  if (/^[/.]+$/.test(cgroupsPath)) linux.fail('cgroupsPath', 'is the root of all cgroups');
  const resources = linux.object('resources');
  const config: OciConfig = {
    ociVersion,
    root: { path: path.startsWith('/') ? path : `${bundle}/${path}`, readonly: rootfs.boolean('readonly') },
    mounts: root.objects('mounts', fields =>
      readMount(fields, bundle, has('user') && read.uidMappings?.length !== 0),
    ),
    process,
    linux: { ...read, cgroupsPath },
    ...present({
      hostname: root.text('hostname') || undefined,
      domainname: root.text('domainname') || undefined,
      annotations: root.map('annotations'),
    }),
  };
  return {
    config,
    resources: resources === undefined ? {} : readResources(resources),
    sysctls: readSysctls(linux, read.namespaces),
    hooks: readHooks(root.object('hooks')),
    hasCgroupsPath: cgroupsPath !== '',
  };
}

/** The file of `exec --process`. */
export function readProcessFile(text: string, file: string): OciProcess {
  return readProcess(new Fields(parse(text, file), ''));
}

/** The file of `update --resources`. */
export function readResourcesFile(text: string, file: string): RuntimeResources {
  return readResources(new Fields(parse(text, file), ''));
}

function parse(text: string, file: string): unknown {
  if (text.length > MAX_SIZE) throw new ConfigError(`${file}: is larger than ${MAX_SIZE} bytes`);
  return parseJson(text, file);
}
