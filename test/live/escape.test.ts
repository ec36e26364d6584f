import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AT } from '../../src/linux/constants.generated.ts';
import { rawSyscall } from '../../src/native/libc.ts';
import { rounds } from '../rounds.ts';
import { leftovers, needsRoot, podspace, probePod, runPod, start } from './harness.ts';

const RENAME_EXCHANGE = 2;

for (const [title, spec] of [
  ['its own PID namespace', {}],
  ['a shared PID namespace', { shareProcessNamespace: true }],
] as const) {
  t.test(`exec shows ${title} no file of the host`, { skip: needsRoot }, async t => {
    const securityContext = { capabilities: { add: ['SYS_PTRACE'] } };
    const pod = probePod({ terminationGracePeriodSeconds: 0, ...spec }, { args: ['watch'], securityContext });
    const running = start(['run', '-'], JSON.stringify(pod));
    await running.waitFor('saw /probe');
    const isSeen = (): boolean => running.output().includes('memfd:podspace-shim');
    const count = rounds(20);
    for (let i = 0; i < count || (!isSeen() && i < 10 * count); i++) {
      podspace(['exec', pod.metadata.name, '--', '/probe', 'exit', '0']);
      await new Promise(done => setImmediate(done));
    }
    running.child.kill('SIGTERM');
    await running.ended;
    t.match(running.output(), /memfd:podspace-shim/, 'the shim was seen at work');
    const allowed = /^(saw (\/probe|\/memfd:podspace-shim \(deleted\)))$/;
    t.strictSame(
      running
        .output()
        .split('\n')
        .filter(line => line !== '' && !allowed.test(line)),
      [],
    );
  });
}

t.test(
  'a subPath that is exchanged for a link all the time never leads outside',
  { skip: needsRoot },
  async t => {
    const directory = mkdtempSync(join(tmpdir(), 'podspace-race-'));
    const volume = join(directory, 'volume');
    mkdirSync(join(volume, 'a/b'), { recursive: true });
    mkdirSync(join(directory, 'canary/b'), { recursive: true });
    writeFileSync(join(directory, 'canary/b/file'), 'untouched\n');
    symlinkSync(join(directory, 'canary'), join(volume, 'link'));
    const pod = probePod(
      { volumes: [{ name: 'v', hostPath: { path: volume } }] },
      {
        image: 'localhost/busybox',
        command: ['sh', '-c', 'echo owned > /v/file; ls /v'],
        volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a/b' }],
      },
    );
    const outcomes = new Map<string, number>();
    const count = rounds(20);
    for (let i = 0; i < count || (outcomes.size < 2 && i < 10 * count); i++) {
      const running = start(['run', '-'], JSON.stringify(pod));
      let isOver = false;
      void running.ended.then(() => (isOver = true));
      while (!isOver) {
        for (let k = 0; k < 50; k++)
          rawSyscall('renameat2', AT.AT_FDCWD, `${volume}/a`, AT.AT_FDCWD, `${volume}/link`, RENAME_EXCHANGE);
        await new Promise(resolve => setImmediate(resolve));
      }
      const outcome = /file|ELOOP|ENOENT|EXDEV|ENOTDIR/.exec(running.output())?.[0] ?? running.output();
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    t.comment(JSON.stringify([...outcomes]));
    t.equal(readFileSync(join(directory, 'canary/b/file'), 'utf8'), 'untouched\n');
    t.strictSame(
      [...outcomes.keys()].filter(one => !/^(file|ELOOP|ENOENT|EXDEV|ENOTDIR)$/.test(one)),
      [],
    );
    t.ok(outcomes.size > 1, 'the link was met, and so was the directory');
    rmSync(directory, { recursive: true });
    t.strictSame(leftovers(), []);
  },
);

t.test(
  'a terminal is the container’s own, and podspace’s own terminal is out of reach',
  { skip: needsRoot },
  t => {
    const script =
      'readlink /proc/self/fd/0; (echo x > /dev/tty) 2>&1; cat /proc/self/stat | cut -d" " -f6,7';
    const result = runPod(probePod({}, { image: 'localhost/busybox', command: ['sh', '-c', script] }));
    // Session leader, without a controlling terminal.
    t.match(
      result.containers[0]?.stdout,
      /^\/dev\/null\nsh: can't create \/dev\/tty: No such device or address\n1 0\n$/,
    );
    t.end();
  },
);
