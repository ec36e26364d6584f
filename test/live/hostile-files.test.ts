import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Attack, instead, link, node, sh, testAttacks } from './hostile.ts';

/** Images whose files attack the runtime: what it mounts, makes or reads goes through them. */

/** Uses what the runtime puts into a root. */
const look = sh(
  'echo x > /dev/null && ls -d /proc/1/ /sys/kernel/ /dev/shm/ /dev/pts/ >/dev/null && cat /etc/hosts && echo fine',
);
const FINE = { ran: /localhost(.|\n)*fine\n$/ };
const refused = (call: string, errno: string): Attack['expect'] => ({
  refused: new RegExp(`^instruction \\d+: ${call}\\(.*: ${errno} `),
});
/** The link is followed inside the root, and there is nothing. */
const NOTHING_THERE = refused('openat2', 'ENOENT');

/** A link that leads nowhere but out. */
const outward = (path: string): Readonly<Record<string, Attack>> => ({
  [`/${path} is an absolute link`]: {
    build: link(path, canary => canary),
    container: look,
    expect: NOTHING_THERE,
  },
  [`/${path} is a relative link`]: {
    build: link(path, canary => `../../../../../../../..${canary}`),
    container: look,
    expect: NOTHING_THERE,
  },
  [`/${path} links to itself`]: {
    build: link(path, path),
    container: look,
    expect: refused('openat2', 'ELOOP'),
  },
  [`/${path} is a link through /proc/self/root`]: {
    build: link(path, canary => `/proc/self/root${canary}`),
    container: look,
    expect: refused('openat2', '(ELOOP|ENOENT)'),
  },
  [`/${path} is a FIFO`]: {
    build: node(path),
    container: look,
    expect: refused('(openat2|mkdirat)', 'ENOTDIR'),
  },
});

/** /proc and /sys must be no links at all. */
const noLinkAtAll = (path: string): Readonly<Record<string, Attack>> =>
  Object.fromEntries(
    Object.entries(outward(path)).map(([title, attack]) => [
      title,
      title.includes('link') ? { ...attack, expect: refused('openat2', 'ELOOP') } : attack,
    ]),
  );

const hiddenByDev = ['dev/null', 'dev/shm', 'dev/pts', 'dev/ptmx', 'dev/console', 'dev/fd'];

testAttacks({
  ...noLinkAtAll('proc'),
  ...noLinkAtAll('sys'),
  ...outward('dev'),
  ...outward('etc'),
  ...Object.fromEntries(
    hiddenByDev.map(path => [
      `/${path} is a link to the outside`,
      { build: link(path, canary => `${canary}/file`), container: look, expect: FINE },
    ]),
  ),
  '/dev links to a directory of the image': {
    build: (root, canary) => {
      mkdirSync(join(root, 'd'));
      link('dev', '/d')(root, canary);
    },
    container: look,
    expect: FINE,
  },
  '/dev/null of the image is another device, and all can write to it': {
    build: node('dev/null', 'c 1 7'),
    container: look,
    expect: FINE,
  },
  '/proc links to a directory of the image': {
    build: (root, canary) => link('proc', 'tmp')(root, canary),
    expect: refused('openat2', 'ELOOP'),
  },
  ...Object.fromEntries(
    ['hosts', 'hostname', 'resolv.conf'].flatMap((name): [string, Attack][] => {
      const path = `etc/${name}`;
      return [
        [
          `/${path} is a link to the outside`,
          { build: link(path, canary => `${canary}/file`), container: look, expect: NOTHING_THERE },
        ],
        [
          `/${path} is a link to a file of the image by the name of one outside`,
          {
            build: (root, canary) => {
              mkdirSync(join(root, canary), { recursive: true });
              writeFileSync(join(root, canary, 'file'), '');
              link(path, `${canary}/file`)(root, canary);
            },
            container: look,
            expect: FINE,
          },
        ],
        [
          `/${path} is a link through /proc/1/root`,
          {
            build: link(path, canary => `/proc/1/root${canary}/file`),
            container: look,
            expect: refused('openat2', '(ELOOP|EACCES|ENOENT)'),
          },
        ],
        [
          `/${path} is a directory`,
          {
            build: root => instead(root, path, at => mkdirSync(at)),
            container: look,
            expect: refused('move_mount', '(ENOTDIR|EINVAL)'),
          },
        ],
        [`/${path} is a FIFO`, { build: node(path), container: look, expect: FINE }],
        [`/${path} is a device`, { build: node(path, 'c 1 8'), container: look, expect: FINE }],
      ];
    }),
  ),
  'the command is a link to the outside': {
    build: link('cmd', canary => `${canary}/program`),
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": no such file or directory$/ },
  },
  'the command is a link through /proc': {
    build: link('cmd', canary => `/proc/self/cwd/../../../../../..${canary}/program`),
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": no such file or directory$/ },
  },
  'the command is a FIFO': {
    build: node('cmd'),
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": permission denied$/ },
  },
  'the command is a device': {
    build: root => {
      node('cmd', 'c 1 5')(root);
    },
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": permission denied$/ },
  },
  'the command is a directory': {
    container: { command: ['/bin'] },
    expect: { refused: /^exec: "\/bin": permission denied$/ },
  },
  'the command may not be executed': {
    container: { command: ['/etc/passwd'] },
    expect: { refused: /^exec: "\/etc\/passwd": permission denied$/ },
  },
  'the command is a script without its interpreter': {
    build: root => writeFileSync(join(root, 'cmd'), '#!/nowhere\n', { mode: 0o755 }),
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": no such file or directory$/ },
  },
  'the command is a script that is its own interpreter': {
    build: root => writeFileSync(join(root, 'cmd'), '#!/cmd\n', { mode: 0o755 }),
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": .*ELOOP|^exec: "\/cmd": too many/i },
  },
  'the command is an empty file': {
    build: root => writeFileSync(join(root, 'cmd'), '', { mode: 0o755 }),
    container: { command: ['/cmd'] },
    expect: { refused: /^exec: "\/cmd": exec format error$/ },
  },
  'PATH leads through FIFOs and links': {
    build: (root, canary) => {
      node('fifo')(root);
      link('out', canary)(root, canary);
      link('loop', 'loop')(root, canary);
    },
    config: { Env: ['PATH=/fifo:/loop:/out:/proc/self/fd:'] },
    container: { command: ['program'] },
    expect: { refused: /^exec: "program": / },
  },
  'the working directory is a link to the outside': {
    build: link('work', canary => canary),
    container: { ...sh('pwd'), workingDir: '/work' },
    expect: NOTHING_THERE,
  },
  'the working directory is a FIFO': {
    build: node('work'),
    container: { ...sh('pwd'), workingDir: '/work' },
    expect: refused('openat2', 'ENOTDIR'),
  },
  'the working directory is a link to a file descriptor': {
    build: link('work', '/proc/self/fd/9/../../../../'),
    container: { ...sh('ls'), workingDir: '/work' },
    expect: refused('openat2', '(ENOENT|ELOOP|ENOTDIR)'),
  },
});
