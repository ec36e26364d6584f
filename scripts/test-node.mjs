/**
 * A machine of its own for podspace, as far as it can tell: network, /run, /var/lib/podspace and the place of its cgroups are
 * another one's. Two of these do not see each other's pods, so what is left behind can be looked for in each of them.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { inPrivateNode } from './private-node.mjs';

const IMAGES = ['busybox', 'probe'];

/** Mounted cgroup hierarchies: [mount point, type]. */
const hierarchies = () =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
    .filter(([, at, type]) => /^cgroup2?$/.test(type) && /^\/sys\/fs\/cgroup(\/|$)/.test(at))
    .map(([, at, type]) => [at, type])
    .filter(([at], i, all) => all.findIndex(([other]) => other === at) === i);

const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;

/** Where nobody may make a cgroup, pods have none either. */
function isMade(path) {
  try {
    mkdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** With the machine's cgroups from their root on, where a test needs those. */
export function makeTestNode({ hasOwnCgroups = true } = {}) {
  if (!IMAGES.every(image => existsSync(`build/rootfs/${image}/config.json`)))
    execFileSync('bash', ['rootfs/build.sh', 'build/rootfs'], { stdio: ['ignore', 'ignore', 'inherit'] });
  // On the disk that podspace's own would be on: a file system in memory does not do all that a disk does.
  const state = mkdtempSync('/var/lib/test-node-');
  const name = basename(state);
  const cgroups = (hasOwnCgroups ? hierarchies() : [])
    .map(([at, type]) => ({ at, type, own: join(at, name) }))
    .filter(({ own }) => isMade(own));
  mkdirSync('/var/lib/podspace', { recursive: true });
  for (const { at, own } of cgroups) {
    // A v1 cgroup takes no process before it has these.
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      if (existsSync(join(own, 'tasks')) && existsSync(join(own, file)))
        writeFileSync(join(own, file), readFileSync(join(at, file)));
  }
  const podspace = `${quoted(process.execPath)} dist/podspace.js`;
  const setUp = [
    'mount -t tmpfs -o mode=755 tmpfs /run',
    'mkdir -m 1777 /run/lock',
    `mount --bind ${quoted(state)} /var/lib/podspace`,
    // A cgroup of version 2 has the controllers that the one above it hands down.
    ...cgroups
      .filter(({ type }) => type === 'cgroup2')
      .map(
        ({ at }) =>
          `for c in $(cat ${at}/cgroup.controllers); do echo +$c >${at}/cgroup.subtree_control 2>/dev/null || true; done`,
      ),
    ...cgroups.map(({ at, own }) => `mount --bind ${own} ${at}`),
    ...IMAGES.map(
      image =>
        `${podspace} image import localhost/${image} build/rootfs/${image}/rootfs --config build/rootfs/${image}/config.json >/dev/null`,
    ),
  ];
  return {
    wrap: command => inPrivateNode(command, setUp),
    /** Removes it, whoever is still in it; says what was. */
    remove() {
      const left = cgroups.flatMap(({ own }) => emptied(own));
      rmSync(state, { recursive: true, force: true });
      return left;
    },
  };
}

/** Removes a cgroup with what is below it, and kills who is there; says what was below. */
function emptied(path) {
  const below = readdirSync(path, { withFileTypes: true }).filter(entry => entry.isDirectory());
  const left = below.flatMap(({ name }) => [join(path, name), ...emptied(join(path, name))]);
  for (let attempt = 0; ; attempt++) {
    try {
      rmdirSync(path);
      return left;
    } catch (error) {
      if (attempt > 200) throw error;
    }
    for (const pid of readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
      killQuietly(Number(pid));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

function killQuietly(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone by itself.
  }
}
