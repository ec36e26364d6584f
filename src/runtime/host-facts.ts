import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CAPABILITIES } from '../linux/capabilities.ts';
import { CAP } from '../linux/constants.generated.ts';
import { thermalThrottlePath } from '../linux/protected-paths.ts';
import { GATEWAYS } from '../network/pod-wiring.ts';
import type { OciDevice } from '../oci/config.ts';
import type { HostFacts } from '../oci/host-facts.ts';
import { cgroupMounts, detectCgroups } from './cgroups.ts';

/** Loaded when something is asked of it. */
const os = () => process.getBuiltinModule('node:os');

/** Reads what the pure stages must know about this machine. A few small files; the device list only when asked for. */
export function gatherHostFacts(): HostFacts {
  const bounding = BigInt(
    `0x${/^CapBnd:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  );
  const files = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const capabilities = CAPABILITIES.filter(name => (bounding >> BigInt(CAP[name])) & 1n);
  const cgroups = detectCgroups();
  let devices: readonly OciDevice[] | undefined;
  let address: string | undefined;
  return {
    capabilities,
    thermalThrottleCpus: existsSync(thermalThrottlePath(0))
      ? Array.from({ length: os().availableParallelism() }, (_, cpu) => cpu)
      : [],
    maxOpenFiles: Number(files ?? 1024),
    hostname: readText('/proc/sys/kernel/hostname').trim(),
    get kernelRelease() {
      return readText('/proc/sys/kernel/osrelease').trim();
    },
    get hostIP() {
      address ??= hostAddress();
      return address;
    },
    get etcHosts() {
      return readText('/etc/hosts');
    },
    resolvConf: readText('/etc/resolv.conf'),
    get devices() {
      devices ??= hostDevices('/dev');
      return devices;
    },
    cgroupMounts: cgroupMounts(cgroups),
    cgroups,
    modules: moduleFacts(),
    get cpus() {
      return os().availableParallelism();
    },
    get memory() {
      return os().totalmem();
    },
    hugepageSizes: hugepageSizes(),
    get minOomScoreAdj() {
      return capabilities.includes('CAP_SYS_RESOURCE') ? -1000 : Number(readText('/proc/self/oom_score_adj'));
    },
  };
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

const APPARMOR_PROFILES = '/sys/kernel/security/apparmor/profiles';

function moduleFacts(): HostFacts['modules'] {
  return {
    appArmor: readText('/sys/module/apparmor/parameters/enabled').startsWith('Y'),
    seLinux: existsSync('/sys/fs/selinux/enforce'),
    get appArmorProfiles() {
      return readText(APPARMOR_PROFILES)
        .split('\n')
        .map(line => line.replace(/ \(\w+\)$/, ''));
    },
  };
}

const HUGE_PAGES = '/sys/kernel/mm/hugepages';

/** Sizes with a pool, or one that may grow: without, nobody can have any. Directories are called hugepages-2048kB. */
function hugepageSizes(): readonly string[] {
  const directories = existsSync(HUGE_PAGES) ? readdirSync(HUGE_PAGES) : [];
  return directories
    .filter(name =>
      ['nr_hugepages', 'nr_overcommit_hugepages'].some(
        file => readText(`${HUGE_PAGES}/${name}/${file}`).trim() !== '0',
      ),
    )
    .map(name => {
      const kib = Number(/\d+/.exec(name)?.[0]);
      if (kib >= 1 << 20) return `${kib >> 20}GB`;
      return kib >= 1 << 10 ? `${kib >> 10}MB` : `${kib}KB`;
    });
}

/** Not the one that the node has towards its pods, and on all of their links. */
function hostAddress(): string {
  const all = Object.values(os().networkInterfaces()).flatMap(addresses => addresses ?? []);
  const found = all.find(
    ({ family, internal, address }) => family === 'IPv4' && !internal && address !== GATEWAYS.IPv4,
  );
  return found?.address ?? '127.0.0.1';
}

/** What of /dev is no device for a container: containerd's list, and ptmx, which is a link to the container's own. */
const NOT_DEVICES = new Set([
  'ptmx',
  'pts',
  'shm',
  'fd',
  'mqueue',
  '.lxc',
  '.lxd-mounts',
  '.udev',
  'console',
]);

/** Every device node of the host, for privileged containers. */
function hostDevices(directory: string): readonly OciDevice[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap(entry => {
    if (NOT_DEVICES.has(entry.name)) return [];
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return hostDevices(path);
    const type = entry.isCharacterDevice() ? 'c' : entry.isBlockDevice() ? 'b' : undefined;
    if (type === undefined) return [];
    const { rdev, mode, uid, gid } = lstatSync(path);
    return [{ type, path, ...splitDevice(BigInt(rdev)), fileMode: mode & 0o7777, uid, gid }];
  });
}

/** glibc's gnu_dev_major and gnu_dev_minor, for st_rdev as user space sees it. */
function splitDevice(rdev: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn)),
  };
}
