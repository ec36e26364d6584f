import { propagationFlags } from '../../linux/mount-options.ts';
import { NAMESPACES, type NamespaceType } from '../../linux/namespaces.ts';
import type {
  OciClock,
  OciDevice,
  OciIdMapping,
  OciLinux,
  OciNamespace,
  OciPersonality,
  OciSeccomp,
  OciTimeOffset,
} from '../config.ts';
import { decodeProfile, ProfileError } from '../seccomp/decode-profile.ts';
import { resolveProfile, type SeccompTarget } from '../seccomp/profile.ts';
import { type Fields, present } from './json.ts';

const TYPES = Object.keys(NAMESPACES) as NamespaceType[];

/** config-linux.md but for the cgroups, which are the runtime's. */
export function readLinux(fields: Fields, target: SeccompTarget): Omit<OciLinux, 'cgroupsPath'> {
  fields.refuse('intelRdt', 'netDevices', 'memoryPolicy');
  const namespaces = fields.objects('namespaces', readNamespace);
  namespaces.forEach(({ type }, i) => {
    if (namespaces.findIndex(one => one.type === type) !== i)
      fields.fail(`namespaces[${i}].type`, `"${type}" is there twice`);
  });
  if (!namespaces.some(({ type }) => type === 'mount'))
    fields.fail('namespaces', 'has no "mount": a container needs one of its own');
  const user = namespaces.find(({ type }) => type === 'user');
  const uidMappings = fields.objects('uidMappings', readMapping);
  const gidMappings = fields.objects('gidMappings', readMapping);
  if (user === undefined && uidMappings.length + gidMappings.length > 0)
    fields.fail('uidMappings', 'needs a user namespace');
  if (user !== undefined && user.path === undefined)
    for (const [key, rows] of Object.entries({ uidMappings, gidMappings }))
      if (rows.length === 0) fields.fail(key, 'is missing for the new user namespace');
  const rootfsPropagation = fields.text('rootfsPropagation') || undefined;
  if (rootfsPropagation !== undefined && propagationFlags(rootfsPropagation) === undefined)
    fields.fail('rootfsPropagation', `${JSON.stringify(rootfsPropagation.slice(0, 60))} is unknown`);
  return {
    namespaces,
    ...(user === undefined ? {} : { uidMappings, gidMappings }),
    devices: fields.objects('devices', readDevice),
    resources: {},
    ...present({
      mountLabel: fields.text('mountLabel') || undefined,
      rootfsPropagation,
      personality: readPersonality(fields.object('personality')),
      timeOffsets: readTimeOffsets(fields, namespaces),
      seccomp: readSeccomp(fields, target),
    }),
    maskedPaths: absolute(fields, 'maskedPaths'),
    readonlyPaths: absolute(fields, 'readonlyPaths'),
  };
}

function readNamespace(fields: Fields): OciNamespace {
  const type = fields.word('type', TYPES) ?? fields.fail('type', 'is missing');
  const path = fields.text('path') || undefined;
  if (path !== undefined && !path.startsWith('/')) fields.fail('path', 'is not an absolute path');
  if (type === 'mount' && path !== undefined) fields.fail('path', 'of a mount namespace is not supported');
  return { type, ...present({ path }) };
}

function readPersonality(fields: Fields | undefined): OciPersonality | undefined {
  fields?.refuse('flags');
  const domain = fields?.word('domain', ['LINUX', 'LINUX32']);
  return fields === undefined ? undefined : { domain: domain ?? fields.fail('domain', 'is missing') };
}

function readTimeOffsets(fields: Fields, namespaces: readonly OciNamespace[]): OciLinux['timeOffsets'] {
  const offsets = fields.object('timeOffsets');
  if (offsets === undefined) return undefined;
  if (!namespaces.some(({ type, path }) => type === 'time' && path === undefined))
    fields.fail('timeOffsets', 'needs a new "time" namespace');
  const read = (clock: OciClock): OciTimeOffset | undefined => {
    const offset = offsets.object(clock);
    if (offset === undefined) return undefined;
    const secs = offset.integer('secs', -(2 ** 53), 2 ** 53) ?? 0;
    return { secs, nanosecs: offset.integer('nanosecs', 0, 999_999_999) ?? 0 };
  };
  return present({ monotonic: read('monotonic'), boottime: read('boottime') });
}

function readMapping(fields: Fields): OciIdMapping {
  const number = (key: string, least: number): number =>
    fields.integer(key, least, 2 ** 32 - 1) ?? fields.fail(key, 'is missing');
  return {
    containerID: number('containerID', 0),
    hostID: number('hostID', 0),
    size: number('size', 1),
  };
}

function readDevice(fields: Fields): OciDevice {
  const path = fields.text('path') ?? fields.fail('path', 'is missing');
  if (!/^\/.*[^/]$/.test(path) || path.split('/').includes('..'))
    fields.fail('path', 'is not the absolute path of a file');
  const type = fields.word('type', ['c', 'u', 'b', 'p']) ?? fields.fail('type', 'is missing');
  return {
    path,
    type: type === 'u' ? 'c' : type,
    major: fields.integer('major', 0, 4095) ?? 0,
    minor: fields.integer('minor', 0, 2 ** 20 - 1) ?? 0,
    fileMode: (fields.integer('fileMode', 0, 2 ** 32 - 1) ?? 0o666) & 0o7777,
    uid: fields.integer('uid', 0, 2 ** 32 - 2) ?? 0,
    gid: fields.integer('gid', 0, 2 ** 32 - 2) ?? 0,
  };
}

function absolute(fields: Fields, key: string): readonly string[] {
  const paths = fields.texts(key);
  paths.forEach((path, i) => {
    if (!path.startsWith('/')) fields.fail(`${key}[${i}]`, 'is not an absolute path');
  });
  return paths;
}

function readSeccomp(fields: Fields, target: SeccompTarget): OciSeccomp | undefined {
  const value = fields.raw('seccomp');
  if (value === undefined) return undefined;
  return decode(fields, value, target);
}

function decode(fields: Fields, value: unknown, target: SeccompTarget): OciSeccomp {
  try {
    return resolveProfile(decodeProfile(JSON.stringify(value), true), target);
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    return fields.fail('seccomp', error.message);
  }
}
