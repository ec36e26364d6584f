import type { OciDeviceRule, OciHugepageLimit } from '../config.ts';
import { type Fields, present } from './json.ts';

/** config-linux.md, "Control groups": all that a driver may say. Sizes are bytes, -1 is no limit. */
export interface RuntimeResources {
  readonly devices?: readonly OciDeviceRule[];
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly burst?: number;
    readonly period?: number;
    readonly realtimeRuntime?: number;
    readonly realtimePeriod?: number;
    readonly cpus?: string;
    readonly mems?: string;
    readonly idle?: number;
  };
  readonly memory?: {
    readonly limit?: number;
    readonly reservation?: number;
    readonly swap?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly pids?: { readonly limit?: number };
  readonly blockIO?: {
    readonly weight?: number;
    readonly throttle: readonly ThrottleDevice[];
  };
  readonly hugepageLimits?: readonly OciHugepageLimit[];
  readonly network?: { readonly classID?: number; readonly priorities: readonly InterfacePriority[] };
  readonly unified?: Readonly<Record<string, string>>;
}

interface ThrottleDevice {
  readonly device: string;
  readonly kind: ThrottleKind;
  readonly rate: number;
}

interface InterfacePriority {
  readonly name: string;
  readonly priority: number;
}

const THROTTLES = ['ReadBps', 'WriteBps', 'ReadIOPS', 'WriteIOPS'] as const;
type ThrottleKind = (typeof THROTTLES)[number];
const MAX = 2 ** 63;

export function readResources(fields: Fields): RuntimeResources {
  fields.refuse('rdma', 'intelRdt');
  return present({
    devices: fields.has('devices') ? fields.objects('devices', readDeviceRule) : undefined,
    cpu: readCpu(fields.object('cpu')),
    memory: readMemory(fields.object('memory')),
    pids: readPids(fields.object('pids')),
    blockIO: readBlockIo(fields.object('blockIO')),
    hugepageLimits: fields.has('hugepageLimits')
      ? fields.objects('hugepageLimits', readHugepages)
      : undefined,
    network: readNetwork(fields.object('network')),
    unified: readUnified(fields),
  });
}

function readDeviceRule(fields: Fields): OciDeviceRule {
  const access = fields.text('access');
  if (access !== undefined && !/^[rwm]*$/.test(access)) fields.fail('access', 'is made of r, w and m');
  const number = (key: string): number | undefined => {
    const value = fields.integer(key, -1, 2 ** 32 - 1);
    return value === -1 ? undefined : value;
  };
  return {
    allow: fields.boolean('allow'),
    ...present({
      type: fields.word('type', ['a', 'c', 'b']),
      major: number('major'),
      minor: number('minor'),
      access: access === '' ? undefined : access,
    }),
  };
}

function readCpu(fields: Fields | undefined): RuntimeResources['cpu'] {
  return fields === undefined
    ? undefined
    : present({
        shares: fields.integer('shares'),
        quota: fields.integer('quota', -1, MAX),
        burst: fields.integer('burst', 0, MAX),
        period: fields.integer('period'),
        realtimeRuntime: fields.integer('realtimeRuntime', -1, MAX),
        realtimePeriod: fields.integer('realtimePeriod'),
        cpus: fields.text('cpus'),
        mems: fields.text('mems'),
        idle: fields.integer('idle', 0, 1),
      });
}

function readMemory(fields: Fields | undefined): RuntimeResources['memory'] {
  if (fields === undefined) return undefined;
  // Deprecated, and gone from the kernel (Linux 5.16); runc and crun pass over them.
  fields.refuse('checkBeforeUpdate');
  return present({
    limit: fields.integer('limit', -1, MAX),
    reservation: fields.integer('reservation', -1, MAX),
    swap: fields.integer('swap', -1, MAX),
    swappiness: fields.integer('swappiness', 0, 100),
    disableOOMKiller: fields.has('disableOOMKiller') ? fields.boolean('disableOOMKiller') : undefined,
  });
}

function readPids(fields: Fields | undefined): RuntimeResources['pids'] {
  return fields === undefined ? undefined : present({ limit: fields.integer('limit', -1, MAX) });
}

function readHugepages(fields: Fields): OciHugepageLimit {
  const pageSize = fields.text('pageSize') ?? '';
  if (!/^\d+(KB|MB|GB)$/.test(pageSize)) fields.fail('pageSize', 'expected a size such as 2MB');
  return { pageSize, limit: fields.integer('limit') ?? 0 };
}

function readBlockIo(fields: Fields | undefined): RuntimeResources['blockIO'] {
  if (fields === undefined) return undefined;
  fields.refuse('leafWeight', 'weightDevice');
  const throttle = THROTTLES.flatMap(kind =>
    fields.objects(`throttle${kind}Device`, device => ({
      kind,
      device: `${device.integer('major') ?? 0}:${device.integer('minor') ?? 0}`,
      rate: device.integer('rate') ?? 0,
    })),
  );
  return { throttle, ...present({ weight: fields.integer('weight', 0, 1000) }) };
}

function readNetwork(fields: Fields | undefined): RuntimeResources['network'] {
  if (fields === undefined) return undefined;
  const priorities = fields.objects('priorities', one => ({
    name: one.text('name') ?? one.fail('name', 'is missing'),
    priority: one.integer('priority', 0, 2 ** 32 - 1) ?? 0,
  }));
  return { priorities, ...present({ classID: fields.integer('classID', 0, 2 ** 32 - 1) }) };
}

/** The names become files of the container's cgroup: no path, or a config could write anywhere. */
function readUnified(fields: Fields): RuntimeResources['unified'] {
  const unified = fields.map('unified');
  for (const name of Object.keys(unified ?? {}))
    if (!/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(name))
      fields.fail('unified', `${JSON.stringify(name.slice(0, 60))} is no file of a cgroup`);
  return unified;
}
