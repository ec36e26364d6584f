import {
  SECCOMP_ACTIONS,
  SECCOMP_ARCHITECTURES,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
  type SeccompAction,
} from '../../linux/seccomp.ts';
import type { OciSyscallArgument } from '../config.ts';
import type { ProfileCondition, ProfileRule, SeccompProfile } from './profile.ts';

/** What is wrong with a profile's JSON, with the place: `syscalls[3].action: …`. */
export class ProfileError extends Error {}

/** The arguments that a system call can have. */
const ARGUMENTS = 6;
/** What an action has room for, SECCOMP_RET_DATA. */
const MAX_RETURN = 0xffff;

/**
 * Reads a profile's JSON text: Docker's form or the runtime-spec's. As with Go's decoder null is nothing, and what is not
 * known is passed over; words that mean something must be known, or the filter would not be the one that was asked for.
 */
export function decodeProfile(text: string, mayNotify = false): SeccompProfile {
  const root = object(parse(text), 'profile');
  const defaultAction = action(root.defaultAction, 'defaultAction');
  const architectures = list(root.architectures, 'architectures').map((value, i) =>
    word(value, SECCOMP_ARCHITECTURES, 'arch', `architectures[${i}]`),
  );
  const archMap = list(root.archMap, 'archMap').map((value, i) => {
    const row = object(value, `archMap[${i}]`);
    const at = `archMap[${i}].subArchitectures`;
    return {
      architecture: word(row.architecture, SECCOMP_ARCHITECTURES, 'arch', `archMap[${i}].architecture`),
      subArchitectures: list(row.subArchitectures, at).map((value, j) =>
        word(value, SECCOMP_ARCHITECTURES, 'arch', `${at}[${j}]`),
      ),
    };
  });
  if (architectures.length > 0 && archMap.length > 0)
    throw new ProfileError(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  const profile: SeccompProfile = {
    defaultAction,
    ...listener(root, 'listenerPath'),
    ...listener(root, 'listenerMetadata'),
    ...returned(root.defaultErrnoRet, 'defaultErrnoRet'),
    ...(architectures.length > 0 ? { architectures } : {}),
    ...(archMap.length > 0 ? { archMap } : {}),
    ...(root.flags === undefined || root.flags === null ? {} : { flags: flagsOf(root.flags) }),
    syscalls: list(root.syscalls, 'syscalls').map((value, i) => rule(value, `syscalls[${i}]`)),
  };
  checkNotify(profile, mayNotify);
  return profile;
}

/** Numbers that JSON.parse would round are kept as text until {@link integer} reads them. No JSON string holds `"value": 1`. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text.replace(/("value(?:Two)?"\s*:\s*)(\d{16,20})(?=[\s,}])/g, '$1"\\u0000$2"'));
  } catch (error) {
    throw new ProfileError(error instanceof Error ? error.message.replaceAll('\0', '') : String(error));
  }
}

function rule(value: unknown, at: string): ProfileRule {
  const row = object(value, at);
  const names = list(row.names, `${at}.names`).map((name, i) => text(name, `${at}.names[${i}]`));
  const name = row.name === undefined || row.name === null ? '' : text(row.name, `${at}.name`);
  if (name !== '' && names.length > 0)
    throw new ProfileError(
      "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
    );
  const all = name === '' ? names : [name];
  if (all.includes('')) throw new ProfileError(`${at}: empty string is not a valid syscall`);
  const args = list(row.args, `${at}.args`).map((value, i) => argument(value, `${at}.args[${i}]`));
  return {
    names: all,
    action: action(row.action, `${at}.action`),
    ...returned(row.errnoRet, 'errnoRet', `${at}.`),
    ...(args.length > 0 ? { args } : {}),
    ...condition(row.includes, 'includes', at),
    ...condition(row.excludes, 'excludes', at),
  };
}

function argument(value: unknown, at: string): OciSyscallArgument {
  const row = object(value, at);
  const index = integer(row.index ?? 0, `${at}.index`);
  if (typeof index !== 'number' || index >= ARGUMENTS)
    throw new ProfileError(`${at}.index: a system call has ${ARGUMENTS} arguments`);
  const valueTwo = row.valueTwo ?? undefined;
  return {
    index,
    value: integer(row.value ?? 0, `${at}.value`),
    ...(valueTwo === undefined ? {} : { valueTwo: integer(valueTwo, `${at}.valueTwo`) }),
    op: word(row.op, SECCOMP_OPERATORS, 'operator', `${at}.op`),
  };
}

function condition<K extends 'includes' | 'excludes'>(
  value: unknown,
  key: K,
  at: string,
): Partial<Record<K, ProfileCondition>> {
  if (value === undefined || value === null) return {};
  // Docker's first profiles had a list here where there was nothing to say.
  const row = Array.isArray(value) && value.length === 0 ? {} : object(value, `${at}.${key}`);
  const texts = (field: 'caps' | 'arches'): readonly string[] =>
    list(row[field], `${at}.${key}.${field}`).map((each, i) => text(each, `${at}.${key}.${field}[${i}]`));
  const minKernel =
    row.minKernel === undefined || row.minKernel === null
      ? undefined
      : text(row.minKernel, `${at}.${key}.minKernel`);
  if (minKernel !== undefined && !/^\d+\.\d+$/.test(minKernel))
    throw new ProfileError(
      `${at}.${key}.minKernel: invalid kernel version: ${JSON.stringify(minKernel)}, expected "<kernel>.<major>"`,
    );
  const found: ProfileCondition = {
    caps: texts('caps'),
    arches: texts('arches'),
    ...(minKernel === undefined ? {} : { minKernel }),
  };
  return { [key]: found } as Record<K, ProfileCondition>;
}

function action(value: unknown, at: string): SeccompAction {
  return word(value, SECCOMP_ACTIONS, 'action', at);
}

const listener = <K extends 'listenerPath' | 'listenerMetadata'>(
  root: Readonly<Record<string, unknown>>,
  key: K,
): Partial<Record<K, string>> => {
  const value = root[key] ?? '';
  return value === '' ? {} : ({ [key]: text(value, key) } as Record<K, string>);
};

/** Who asks for notifications must be told where they go; the call that hands the listener over cannot wait for it. */
function checkNotify(profile: SeccompProfile, mayNotify: boolean): void {
  const { defaultAction, syscalls, flags = [], listenerPath, listenerMetadata } = profile;
  const at = syscalls.findIndex(({ action }) => action === 'SCMP_ACT_NOTIFY');
  const place = defaultAction === 'SCMP_ACT_NOTIFY' ? 'defaultAction' : `syscalls[${at}].action`;
  const isUsed = place === 'defaultAction' || at !== -1;
  if (!mayNotify) {
    if (listenerPath !== undefined)
      throw new ProfileError('listenerPath: there is no way to hand a listener over');
    if (isUsed)
      throw new ProfileError(
        `${place}: SCMP_ACT_NOTIFY needs a listener, and there is no way to hand one over`,
      );
  }
  if (isUsed && listenerPath === undefined)
    throw new ProfileError(`${place}: SCMP_ACT_NOTIFY needs listenerPath`);
  if (listenerMetadata !== undefined && listenerPath === undefined)
    throw new ProfileError('listenerMetadata: needs listenerPath');
  if (listenerPath !== undefined && !listenerPath.startsWith('/'))
    throw new ProfileError('listenerPath: is not an absolute path');
  if (flags.includes('SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV') && !isUsed)
    throw new ProfileError('flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs SCMP_ACT_NOTIFY');
  const asks = ({ action, names }: ProfileRule): boolean =>
    action === 'SCMP_ACT_NOTIFY' && names.includes('sendmsg');
  if (defaultAction === 'SCMP_ACT_NOTIFY' || syscalls.some(asks))
    throw new ProfileError(
      `${place}: SCMP_ACT_NOTIFY cannot be used for sendmsg, which hands the listener over`,
    );
}

function flagsOf(value: unknown): SeccompProfile['flags'] {
  return list(value, 'flags').map((each, i) => {
    const flag = text(each, `flags[${i}]`);
    if (!Object.hasOwn(SECCOMP_FLAGS, flag))
      throw new ProfileError(`flags[${i}]: seccomp flag ${JSON.stringify(flag)} is not known`);
    return flag as keyof typeof SECCOMP_FLAGS;
  });
}

function returned<K extends 'errnoRet' | 'defaultErrnoRet'>(
  value: unknown,
  key: K,
  at = '',
): Partial<Record<K, number>> {
  if (value === undefined || value === null) return {};
  const number = integer(value, `${at}${key}`);
  if (typeof number !== 'number' || number > MAX_RETURN)
    throw new ProfileError(`${at}${key}: ${number} is not an errno`);
  return { [key]: number } as Record<K, number>;
}

/** A key of a table, in runc's words if it is none. */
function word<T extends object>(value: unknown, table: T, what: string, at: string): keyof T & string {
  const name = text(value ?? '', at);
  if (!Object.hasOwn(table, name))
    throw new ProfileError(`${at}: string ${JSON.stringify(name)} is not a valid ${what} for seccomp`);
  return name as keyof T & string;
}

function text(value: unknown, at: string): string {
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw new ProfileError(`${at}: expected a string`);
}

/** An unsigned integer of 64 bits. */
function integer(value: unknown, at: string): number | bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const digits = typeof value === 'string' ? /^\0(\d+)$/.exec(value)?.[1] : undefined;
  const big = digits === undefined ? undefined : BigInt(digits);
  if (big === undefined || big >= 1n << 64n)
    throw new ProfileError(`${at}: expected an unsigned integer of 64 bits`);
  return big <= Number.MAX_SAFE_INTEGER ? Number(big) : big;
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new ProfileError(`${at}: expected a list`);
  return value;
}

function object(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ProfileError(`${at}: expected an object`);
}
