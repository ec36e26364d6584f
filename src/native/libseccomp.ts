import { closeSync, readFileSync } from 'node:fs';
import type { Arch } from '../linux/arch.ts';
import { AUDIT_ARCH, ERRNO, MFD } from '../linux/constants.generated.ts';
import { describeErrno } from '../linux/errno.ts';
import {
  FIRST_ARM_PRIVATE_SYSCALL,
  FIRST_X32_SYSCALL,
  MAX_FILTER_INSTRUCTIONS,
  SECCOMP_ACTIONS,
  SECCOMP_ARCHITECTURES,
  SECCOMP_OPERATORS,
  type SeccompAction,
  type SeccompArchitecture,
} from '../linux/seccomp.ts';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule } from '../oci/config.ts';
import { INSTRUCTION_SIZE } from '../oci/seccomp/classic-bpf.ts';
import { enosysStub, type KnownCalls } from '../oci/seccomp/enosys-stub.ts';
import { NATIVE_ARCHITECTURES } from '../oci/seccomp/profile.ts';
import { koffi } from './koffi.ts';
import { syscall } from './libc.ts';
import { hostArch } from './library.ts';

/** A filter that cannot be made: no library, or what the library or the kernel does not take. */
export class SeccompError extends Error {}

type Context = object;

/** Prototypes of seccomp.h, by name. */
const PROTOTYPES = {
  seccomp_version: ['void *', []],
  seccomp_init: ['void *', ['uint32_t']],
  seccomp_release: ['void', ['void *']],
  seccomp_attr_set: ['int', ['void *', 'int', 'uint32_t']],
  seccomp_arch_add: ['int', ['void *', 'uint32_t']],
  seccomp_arch_remove: ['int', ['void *', 'uint32_t']],
  seccomp_syscall_resolve_name: ['int', ['str']],
  seccomp_syscall_resolve_name_arch: ['int', ['uint32_t', 'str']],
  // What it returns is the caller's to free.
  seccomp_syscall_resolve_num_arch: [koffi.disposable('str'), ['uint32_t', 'int']],
  seccomp_rule_add_array: ['int', ['void *', 'uint32_t', 'int', 'uint', 'void *']],
  seccomp_export_bpf: ['int', ['void *', 'int']],
} as const;

interface Libseccomp {
  seccomp_version(): unknown;
  seccomp_init(action: number): Context | null;
  seccomp_release(context: Context): void;
  seccomp_attr_set(context: Context, attribute: number, value: number): number;
  seccomp_arch_add(context: Context, arch: number): number;
  seccomp_arch_remove(context: Context, arch: number): number;
  seccomp_syscall_resolve_name(name: string): number;
  seccomp_syscall_resolve_name_arch(arch: number, name: string): number;
  seccomp_syscall_resolve_num_arch(arch: number, number: number): string | null;
  seccomp_rule_add_array(
    context: Context,
    action: number,
    syscall: number,
    count: number,
    args: Uint8Array | null,
  ): number;
  seccomp_export_bpf(context: Context, fd: number): number;
}

/** The name that every distribution's package has. */
export const LIBRARY = 'libseccomp.so.2';
let library: Libseccomp | undefined;

/** Loaded when a filter is made, which a cached one is not. */
function libseccomp(): Libseccomp {
  if (library !== undefined) return library;
  let loaded: ReturnType<typeof koffi.load>;
  try {
    loaded = koffi.load(LIBRARY);
  } catch (cause) {
    throw new SeccompError(`${LIBRARY} cannot be loaded: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  const functions = Object.entries(PROTOTYPES).map(([name, [result, parameters]]) => [
    name,
    loaded.func(name, result, [...parameters]),
  ]);
  library = Object.fromEntries(functions) as Libseccomp;
  return library;
}

/** `2.5.4`. Throws a SeccompError if it is not there. */
export function libseccompVersion(): string {
  const version = koffi.decode(libseccomp().seccomp_version(), koffi.array('uint', 3)) as ArrayLike<number>;
  return [...Array.from(version)].join('.');
}

/** What a call in a struct seccomp_data is: by AUDIT_ARCH_* and number. */
export function callName(
  auditArch: number,
  nr: number,
): { readonly architecture: SeccompArchitecture; readonly name: string } {
  const isX32 = auditArch === AUDIT_ARCH.AUDIT_ARCH_X86_64 && nr >= FIRST_X32_SYSCALL;
  const value = isX32 ? SECCOMP_ARCHITECTURES.SCMP_ARCH_X32 : auditArch;
  const names = Object.keys(SECCOMP_ARCHITECTURES) as SeccompArchitecture[];
  const architecture = names.find(name => SECCOMP_ARCHITECTURES[name] === value);
  if (architecture === undefined)
    throw new Error(`system call ${nr} of an unknown architecture ${auditArch}`);
  return { architecture, name: libseccomp().seccomp_syscall_resolve_num_arch(value, nr) ?? `#${nr}` };
}

/** Raised when the same `linux.seccomp` comes to another program, so that no cached one is taken for it. */
export const COMPILER_VERSION = '1';

/** The file that libseccomp was loaded from. */
export function libraryFile(): string {
  libseccomp();
  const mapped = readFileSync('/proc/self/maps', 'utf8').match(/ (\/\S*\/libseccomp\.so\S*)$/m)?.[1];
  if (mapped === undefined) throw new SeccompError(`${LIBRARY} is not mapped from a file`);
  return mapped;
}

/** seccomp.h: enum scmp_filter_attr. */
const CTL_OPTIMIZE = 8;
/** A binary tree instead of a list; worth it, and free of libseccomp 2.5's trouble with empty filters, from here on. */
const BINARY_TREE = 2;
const MIN_RULES_OF_A_TREE = 32;

/** The program for the kernel: what libseccomp makes of a `linux.seccomp`, as runc and crun would call it, behind the stub. */
export function compileSeccomp(seccomp: OciSeccomp, arch: Arch): Uint8Array {
  const lib = libseccomp();
  const defaultAction = actionValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const context = lib.seccomp_init(defaultAction);
  if (context === null)
    throw new SeccompError(`error creating filter: ${seccomp.defaultAction} is not supported`);
  try {
    setArchitectures(lib, context, seccomp, arch);
    if (seccomp.syscalls.reduce((sum, { names }) => sum + names.length, 0) > MIN_RULES_OF_A_TREE)
      lib.seccomp_attr_set(context, CTL_OPTIMIZE, BINARY_TREE);
    for (const rule of seccomp.syscalls) addRule(lib, context, rule, defaultAction);
    const filter = exportBpf(lib, context);
    const stub = needsStub(seccomp) ? enosysStub(knownCalls(lib, seccomp, arch)) : new Uint8Array(0);
    const count = (stub.length + filter.length) / INSTRUCTION_SIZE;
    if (count > MAX_FILTER_INSTRUCTIONS)
      throw new SeccompError(
        `the filter has ${count} instructions, the kernel takes ${MAX_FILTER_INSTRUCTIONS}`,
      );
    const program = new Uint8Array(stub.length + filter.length);
    program.set(stub);
    program.set(filter, stub.length);
    return program;
  } finally {
    lib.seccomp_release(context);
  }
}

/** The machine's own architecture is always there, whatever the list says: without, nothing could run. */
function architecturesOf(seccomp: OciSeccomp, arch: Arch): ReadonlySet<SeccompArchitecture> {
  return new Set([NATIVE_ARCHITECTURES[arch], ...seccomp.architectures]);
}

function setArchitectures(lib: Libseccomp, context: Context, seccomp: OciSeccomp, arch: Arch): void {
  const machine = NATIVE_ARCHITECTURES[hostArch()];
  const wanted = architecturesOf(seccomp, arch);
  for (const name of wanted) {
    const result = lib.seccomp_arch_add(context, SECCOMP_ARCHITECTURES[name]);
    if (result !== 0 && result !== -ERRNO.EEXIST)
      throw failure(`error adding architecture ${name} to seccomp filter`, result);
  }
  if (!wanted.has(machine)) lib.seccomp_arch_remove(context, SECCOMP_ARCHITECTURES[machine]);
}

/** What ERRNO and TRACE return if nothing is said: EPERM. */
function actionValue(action: SeccompAction, errno: number = ERRNO.EPERM): number {
  const hasData = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  return hasData ? SECCOMP_ACTIONS[action] | errno : SECCOMP_ACTIONS[action];
}

function addRule(lib: Libseccomp, context: Context, rule: OciSyscallRule, defaultAction: number): void {
  const action = actionValue(rule.action, rule.errnoRet);
  // libseccomp takes a rule that says what the default says for a mistake.
  if (action === defaultAction) return;
  const args = rule.args ?? [];
  // Two comparisons of one argument are two rules, either of which will do: what Docker's profiles have always meant.
  const isRepeated = new Set(args.map(({ index }) => index)).size < args.length;
  const alternatives = isRepeated ? args.map(arg => [arg]) : [args];
  for (const name of rule.names) {
    const number = lib.seccomp_syscall_resolve_name(name);
    // Newer than this libseccomp, or of another machine.
    if (number === UNKNOWN) continue;
    for (const each of alternatives) {
      const result = lib.seccomp_rule_add_array(context, action, number, each.length, encodeArguments(each));
      if (result !== 0 && result !== -ERRNO.EEXIST)
        throw failure(`error adding seccomp filter rule for syscall ${name}`, result);
    }
  }
}

/** __NR_SCMP_ERROR */
const UNKNOWN = -1;

/** seccomp.h: struct scmp_arg_cmp. */
const ARGUMENT_SIZE = 24;

function encodeArguments(args: readonly OciSyscallArgument[]): Uint8Array | null {
  if (args.length === 0) return null;
  const bytes = new Uint8Array(args.length * ARGUMENT_SIZE);
  const view = new DataView(bytes.buffer);
  args.forEach(({ index, op, value, valueTwo = 0 }, i) => {
    const base = i * ARGUMENT_SIZE;
    view.setUint32(base, index, true);
    view.setUint32(base + 4, SECCOMP_OPERATORS[op], true);
    view.setBigUint64(base + 8, BigInt(value), true);
    view.setBigUint64(base + 16, BigInt(valueTwo), true);
  });
  return bytes;
}

function exportBpf(lib: Libseccomp, context: Context): Uint8Array {
  const fd = syscall('memfd_create', ['podspace-seccomp', MFD.MFD_CLOEXEC]);
  try {
    const result = lib.seccomp_export_bpf(context, fd);
    if (result !== 0) throw failure('error exporting BPF', result);
    // One more than the kernel would take, so that too many are seen.
    const bytes = new Uint8Array((MAX_FILTER_INSTRUCTIONS + 1) * INSTRUCTION_SIZE);
    return bytes.subarray(0, syscall('pread64', [fd, bytes, bytes.length, 0]));
  } finally {
    closeSync(fd);
  }
}

/** A filter that lets everything through, or answers ENOSYS anyway, has no need of it. */
function needsStub({ defaultAction, defaultErrnoRet }: OciSeccomp): boolean {
  if (['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE'].includes(defaultAction)) return false;
  return !(defaultAction === 'SCMP_ACT_ERRNO' && defaultErrnoRet === ERRNO.ENOSYS);
}

function knownCalls(lib: Libseccomp, seccomp: OciSeccomp, arch: Arch): readonly KnownCalls[] {
  const names = [...new Set(seccomp.syscalls.flatMap(rule => rule.names))];
  const architectures = architecturesOf(seccomp, arch);
  const last = (name: SeccompArchitecture, below = 2 ** 31): number =>
    Math.max(
      UNKNOWN,
      ...names
        .map(call => lib.seccomp_syscall_resolve_name_arch(SECCOMP_ARCHITECTURES[name], call))
        .filter(number => number < below),
    );
  return [...architectures].flatMap((name): KnownCalls[] => {
    if (name === 'SCMP_ARCH_X32') return [];
    const auditArch = SECCOMP_ARCHITECTURES[name];
    const below = name === 'SCMP_ARCH_ARM' ? FIRST_ARM_PRIVATE_SYSCALL : undefined;
    const highest = last(name, below);
    // Nothing is known of it: the filter has the word.
    if (highest < 0) return [];
    if (below !== undefined) return [{ auditArch, last: highest, range: { from: below } }];
    if (auditArch !== AUDIT_ARCH.AUDIT_ARCH_X86_64) return [{ auditArch, last: highest }];
    const x32 = architectures.has('SCMP_ARCH_X32') ? last('SCMP_ARCH_X32') : UNKNOWN;
    const range = { from: FIRST_X32_SYSCALL, ...(x32 < 0 ? {} : { last: x32 }) };
    return [{ auditArch, last: highest, range }];
  });
}

function failure(what: string, result: number): SeccompError {
  return new SeccompError(`${what}: ${describeErrno(-result)}`);
}
