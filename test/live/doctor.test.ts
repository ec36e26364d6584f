import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { needsRoot, PODSPACE, podspace, probePod } from './harness.ts';

interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'limited' | 'missing';
  readonly detail: string;
  readonly means: string;
}

/** What doctor says when it is run by another command. */
function examine(prefix: readonly string[] = []): {
  readonly status: number | null;
  find(what: string): Finding | undefined;
  readonly all: readonly Finding[];
} {
  const [command = '', ...args] = [...prefix, process.execPath, PODSPACE, 'doctor', '-o', 'json'];
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  const all = JSON.parse(stdout) as readonly Finding[];
  return { status, all, find: what => all.find(finding => finding.what === what) };
}

t.test(
  'doctor finds nothing missing where pods run, and says what each lack means',
  { skip: needsRoot },
  t => {
    const { status, all, find } = examine();
    t.equal(status, 0);
    for (const { what, state, means } of all) {
      t.not(state, 'missing', what);
      t.equal(means !== '', state !== 'ok', what);
    }
    t.match(find('kernel')?.detail, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
    for (const [type, file] of [
      ['network', 'net'],
      ['mount', 'mnt'],
      ['pid', 'pid'],
      ['time', 'time'],
    ] as const)
      t.equal(find(`${type} namespace`)?.state === 'ok', existsSync(`/proc/self/ns/${file}`), type);
    const filesystems = readFileSync('/proc/filesystems', 'utf8');
    t.equal(find('overlayfs')?.state === 'ok', /\toverlay$/m.test(filesystems));
    t.match(podspace(['doctor']).stdout, /^kernel +ok +/);
    t.end();
  },
);

t.test('what podspace itself needs is told from what only containers lack', { skip: needsRoot }, t => {
  const pod = JSON.stringify(
    probePod({
      shareProcessNamespace: true,
      securityContext: { fsGroup: 7 },
      volumes: [{ name: 'v', emptyDir: {} }],
    }),
  );
  for (const [name, isNeeded] of [
    ['sys_admin', true],
    ['mknod', true],
    ['net_admin', true],
    ['chown', true],
    ['sys_ptrace', true],
    ['syslog', false],
    ['sys_time', false],
  ] as const) {
    const without = ['setpriv', `--bounding-set=-${name}`];
    const { status, find } = examine(without);
    t.equal(find('capabilities')?.state, isNeeded ? 'missing' : 'limited', name);
    t.match(find('capabilities')?.detail, `CAP_${name.toUpperCase()}`);
    t.equal(status, isNeeded ? 1 : 0, name);
    const [command = '', ...args] = [...without, process.execPath, PODSPACE, 'run', '-'];
    const ran = spawnSync(command, args, { input: pod, encoding: 'utf8', timeout: 30_000 });
    t.equal(ran.status === 0, !isNeeded, `and so it is: ${ran.stderr.slice(0, 200)}`);
  }
  t.end();
});
