import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { container, scripts, TestAgent } from './agent.ts';
import { checkLog, counting, lines, volumes } from './counting.ts';
import { needsRoot } from './harness.ts';

type Test = typeof import('tap').default;

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
const OTHER = '0.0.9';

/** An installation of another version, which differs in nothing else; where it is. */
function otherVersion(t: Pick<Test, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-other-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  cpSync('dist', join(directory, 'dist'), {
    recursive: true,
    filter: from => !/dist\/(types|\.cache-)/.test(from),
  });
  symlinkSync(resolve('node_modules'), join(directory, 'node_modules'));
  const about = JSON.parse(readFileSync('package.json', 'utf8')) as object;
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ ...about, version: OTHER }));
  return directory;
}

t.test('pods go on when another version of the agent takes them over', { skip: needsRoot }, async t => {
  const installed = otherVersion(t);
  const agent = new TestAgent();
  t.teardown(() => agent.remove());
  const program = join(installed, 'dist', 'podspace.js');
  const startOther = () => agent.start([], program);
  const status = () => agent.command(['agent', 'status']).stdout;
  await startOther();
  const about = new RegExp(
    `^agent is running \\(pid ${agent.pid}\\), and listens on \\S+\\nit is podspace ${OTHER}, this is ${version}: `,
  );
  t.match(status(), about);

  const forever = counting('forever', 'i=0; while true; do echo line $i; i=$((i + 1)); sleep 0.02; done');
  const failing = counting('failing', `${lines(20, '0.05')} exit 1`);
  const once = counting('once', lines(5, '0.01'));
  await agent.create('restarts', scripts({ forever, failing }, { volumes }));
  await agent.create('stays', scripts({ forever, once }, { volumes, restartPolicy: 'OnFailure' }));
  await agent.create('done', scripts({ once }, { volumes, restartPolicy: 'Never' }));
  await agent.until('done', ({ phase }) => phase === 'Succeeded', 60);
  await agent.until('stays', status => container(status, 'once')?.state?.terminated, 60);
  await agent.until('restarts', status => (container(status, 'failing')?.restartCount ?? 0) > 0, 60);
  const uids = async () => (await agent.pods()).map(({ metadata }) => metadata?.uid).sort();
  const [before, shims] = [await uids(), [...agent.shims()].sort()];

  // There and back: an older version has to do with what a newer one has written, too.
  for (const [i, isOther] of [false, true, false, true, false].entries()) {
    if (i % 2 === 0) t.match(agent.command(['agent', 'stop']), { status: 0, stdout: 'agent stopped\n' });
    else await agent.kill('SIGKILL');
    // What is printed and what ends meanwhile is nobody's to see.
    await delay(300);
    if (isOther) await startOther();
    else await agent.start();
    t.equal(status().includes(OTHER), isOther);
    t.strictSame(await uids(), before);
    await delay(300);
  }
  // Pods need nothing of what is not installed any more.
  renameSync(installed, `${installed}-gone`);
  rmSync(`${installed}-gone`, { recursive: true });
  mkdirSync(installed);
  t.strictSame([...agent.shims()].sort(), shims, 'the same shims all the time');
  const restarted = (await agent.pod('restarts')).status;
  const count = container(restarted, 'failing')?.restartCount ?? 0;
  await agent.until('restarts', status => (container(status, 'failing')?.restartCount ?? 0) > count, 60);
  // What was begun last has its time to be written.
  await delay(1500);
  let all = 0;
  for (const pod of await agent.pods())
    for (const { name, restartCount } of pod.status.containerStatuses ?? []) {
      const log = checkLog(t, agent, pod, name);
      all += log.count;
      t.equal(log.attempt, restartCount, `${pod.metadata?.name} ${name}`);
      if (name !== 'failing') t.equal(restartCount, 0);
    }
  t.ok(all > 100, `${all} lines`);
  t.equal((await agent.pod('done')).status.phase, 'Succeeded');
  t.match(agent.command(['get', 'nodes', '-o', 'wide']).stdout, ` podspace://${version}\n`);
  await agent.clear();
  t.strictSame(await agent.left(), []);
});
