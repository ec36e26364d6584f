import { closeSync, existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import { CAPABILITIES } from '../linux/capabilities.ts';
import { CAP, ERRNO, FSOPEN } from '../linux/constants.generated.ts';
import { NAMESPACES } from '../linux/namespaces.ts';
import { rawSyscall } from '../native/libc.ts';
import { libseccompVersion } from '../native/libseccomp.ts';
import { openTracefs } from './audit/capability-watch.ts';
import { detectCgroups } from './cgroups.ts';

export interface Finding {
  readonly what: string;
  /** `missing`: podspace does not work without; `limited`: something is less than it could be. */
  readonly state: 'ok' | 'limited' | 'missing';
  readonly detail: string;
  /** What the lack means; empty when all is well. */
  readonly means: string;
}

type Check = () => Finding | readonly Finding[];

const ok = (what: string, detail: string): Finding => ({ what, state: 'ok', detail, means: '' });
const limited = (what: string, detail: string, means: string): Finding => ({
  what,
  state: 'limited',
  detail,
  means,
});
const missing = (what: string, detail: string, means: string): Finding => ({
  what,
  state: 'missing',
  detail,
  means,
});

/** What this kernel and machine offer, and what each lack means. Looks only; needs root for some answers. */
export function examine(): readonly Finding[] {
  const checks: readonly Check[] = [
    kernel,
    user,
    namespaces,
    cgroups,
    overlayfs,
    idmappedMounts,
    seccomp,
    libseccomp,
    audits,
    landlock,
    lsms,
    capabilities,
    openFiles,
    programs,
  ];
  return checks.flatMap(check => check());
}

function kernel(): Finding {
  const version = release();
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 12)) return ok('kernel', version);
  return missing('kernel', version, 'podspace needs Linux 5.12: mount_setattr(2), and openat2(2) before it');
}

function user(): Finding {
  return process.geteuid?.() === 0
    ? ok('user', 'root')
    : missing(
        'user',
        `uid ${process.geteuid?.()}`,
        'run, exec, ps, inspect and gc need root; compile and explain do not',
      );
}

function namespaces(): readonly Finding[] {
  return Object.entries(NAMESPACES).map(([type, { file }]) => {
    const max = readNumber(`/proc/sys/user/max_${file}_namespaces`);
    if (!existsSync(`/proc/self/ns/${file}`))
      return missing(
        `${type} namespace`,
        'not in this kernel',
        type === 'time' || type === 'user' ? 'pods do not need it' : 'pods cannot be isolated',
      );
    return max === 0
      ? missing(`${type} namespace`, `user.max_${file}_namespaces is 0`, 'none can be made')
      : ok(`${type} namespace`, max === undefined ? 'there' : `up to ${max}`);
  });
}

function cgroups(): Finding {
  const { mode, root } = detectCgroups();
  if (root === undefined)
    return limited(
      'cgroups',
      'none mounted',
      'a pod’s processes cannot be counted or killed as one; /sys/fs/cgroup is empty in containers',
    );
  const controllers =
    mode === 'unified' ? readText(`${root}/cgroup.controllers`) : readdirSync('/sys/fs/cgroup').join(' ');
  if (mode === 'unified') return ok('cgroups', `v2; controllers ${controllers || '(none)'}`);
  const what = mode === 'hybrid' ? `v1 controllers beside v2 (hybrid): ${controllers}` : `v1: ${controllers}`;
  return limited(
    'cgroups',
    what,
    mode === 'hybrid'
      ? 'pods are tracked and killed through v2; controllers are v1’s'
      : 'pods are killed process by process: there is no cgroup.kill',
  );
}

function overlayfs(): Finding {
  const fs = rawSyscall('fsopen', 'overlay', FSOPEN.FSOPEN_CLOEXEC);
  if (fs >= 0) {
    rawSyscall('close', fs);
    return ok('overlayfs', 'there');
  }
  return fs === -ERRNO.EPERM
    ? limited('overlayfs', 'unknown without root', '')
    : missing('overlayfs', 'not in this kernel', 'containers have no writable layer over their image');
}

function idmappedMounts(): Finding {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 5 || (major === 5 && minor >= 19)
    ? ok('id-mapped mounts', 'for most filesystems, also below overlayfs')
    : limited('id-mapped mounts', 'not below overlayfs', 'user namespaces for pods need Linux 5.19');
}

function seccomp(): Finding {
  const actions = readText('/proc/sys/kernel/seccomp/actions_avail');
  return actions === ''
    ? limited('seccomp', 'not in this kernel', 'system calls cannot be filtered')
    : ok('seccomp', `actions ${actions}`);
}

function libseccomp(): Finding {
  try {
    return ok('libseccomp', libseccompVersion());
  } catch (error) {
    return limited(
      'libseccomp',
      error instanceof Error ? error.message : String(error),
      'pods with a seccompProfile (or --seccomp-default), and those with shareProcessNamespace, cannot be created',
    );
  }
}

function audits(): Finding {
  const root = openTracefs();
  if (typeof root === 'object')
    return limited('capability event', root.unwatched, 'podspace audit says nothing of capabilities');
  closeSync(root);
  return ok('capability event', 'there, for podspace audit');
}

function landlock(): Finding {
  const abi = rawSyscall('landlock_create_ruleset', null, 0, 1);
  return abi > 0
    ? ok('landlock', `ABI ${abi}`)
    : limited('landlock', 'not available', 'podspace does not use it yet');
}

/** Security modules that confine processes, and the files that tell without securityfs that they are on. */
const CONFINING: readonly (readonly [name: string, file: string, enabled: RegExp])[] = [
  ['apparmor', '/sys/module/apparmor/parameters/enabled', /^Y/],
  ['selinux', '/sys/fs/selinux/enforce', /^[01]/],
];

function lsms(): Finding {
  const list = readText('/sys/kernel/security/lsm');
  const on = CONFINING.flatMap(([name, file, enabled]) =>
    list.split(',').includes(name) || enabled.test(readText(file)) ? [name] : [],
  );
  if (on.length > 0) return ok('security modules', list || on.join(','));
  return limited(
    'security modules',
    list || 'none found (securityfs is not mounted)',
    'neither AppArmor nor SELinux confines containers here',
  );
}

/** Without one of these a pod, or one with a common setting, cannot be made. */
const NEEDED = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_NET_ADMIN',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_ADMIN',
  'CAP_MKNOD',
] as const satisfies readonly (typeof CAPABILITIES)[number][];

function capabilities(): Finding {
  const bounding = BigInt(`0x${/^CapBnd:\s*(\w+)/m.exec(readText('/proc/self/status'))?.[1] ?? '0'}`);
  const lacking = CAPABILITIES.filter(name => !((bounding >> BigInt(CAP[name])) & 1n));
  if (lacking.length === 0) return ok('capabilities', `all ${CAPABILITIES.length}`);
  const needed = NEEDED.filter(name => lacking.includes(name));
  const detail = `without ${lacking.join(', ')}`;
  if (needed.length > 0) return missing('capabilities', detail, `podspace itself needs ${needed.join(', ')}`);
  return limited('capabilities', detail, 'no container can be given these, not even a privileged one');
}

function openFiles(): Finding {
  const [, soft = '', hard = ''] =
    /^Max open files\s+(\S+)\s+(\S+)/m.exec(readText('/proc/self/limits')) ?? [];
  const detail = `${soft} soft, ${hard} hard`;
  return Number(hard) < 4096
    ? limited('open files', detail, 'few pods can run side by side: each holds about ten')
    : ok('open files', detail);
}

const PROGRAMS: readonly (readonly [name: string, means: string])[] = [
  ['tar', 'images cannot be imported from archives'],
  ['cp', 'images cannot be imported from directories'],
];

function programs(): readonly Finding[] {
  const path = (process.env.PATH ?? '').split(delimiter);
  const found = PROGRAMS.map(([name, means]) =>
    path.some(directory => existsSync(join(directory, name)))
      ? ok(name, 'there')
      : limited(name, 'not found', means),
  );
  const nft = ['/usr/sbin/nft', '/sbin/nft'].find(existsSync);
  return [
    ...found,
    nft === undefined
      ? limited('nftables', 'nft is not installed', 'podspace does not need it yet')
      : ok('nftables', nft),
    filesystem(),
  ];
}

function filesystem(): Finding {
  const { bavail, bsize } = statfsSync('/var/lib');
  const free = Math.round((bavail * bsize) / 1e9);
  return free < 1
    ? limited('disk', `${free} GB free in /var/lib`, 'images and writable layers may not fit')
    : ok('disk', `${free} GB free in /var/lib`);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

function readNumber(file: string): number | undefined {
  const text = readText(file);
  return text === '' ? undefined : Number(text);
}
