import t from 'tap';
import type { Exit } from '../../../src/runtime/child-exits.ts';
import { type ContainerResult, exitCodeOf, type PodResult } from '../../../src/runtime/pod-result.ts';
import { ResultBuilder } from '../../../src/runtime/result-builder.ts';

const KIND = { name: 'c', init: false, sidecar: false };
const OPTIONS = { capture: true, fallsBackToLogs: false, containers: 1 };

/** How a process ended: a number is its exit status, a negative one the signal that killed it. */
const exit = (code: number, cpuMicroseconds = 0, maxRss = 0): Exit => ({
  exitCode: code < 0 ? 128 - code : code,
  signal: code < 0 ? -code : undefined,
  cpuMicroseconds,
  maxRss,
});

t.test('a container that never ran', t => {
  t.same(new ResultBuilder(KIND, OPTIONS).build(), {
    ...KIND,
    reason: 'ContainerCreating',
    message: undefined,
    exitCode: undefined,
    signal: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    restartCount: 0,
    cpuMicroseconds: 0,
    maxRss: 0,
    stdout: '',
    stderr: '',
    truncated: false,
  });
  t.end();
});

t.test('how a container ended, in Kubernetes’ words', t => {
  for (const [code, reason, exitCode, signal] of [
    [0, 'Completed', 0, undefined],
    [1, 'Error', 1, undefined],
    [255, 'Error', 255, undefined],
    [-9, 'Error', 137, 9],
    [-15, 'Error', 143, 15],
    [-11, 'Error', 139, 11],
  ] as const) {
    const result = new ResultBuilder(KIND, OPTIONS);
    result.ended(exit(code), 1000, 2500, 0);
    t.match(result.build(), {
      reason,
      exitCode,
      signal,
      message: undefined,
      startedAt: '1970-01-01T00:00:01.000Z',
      finishedAt: '1970-01-01T00:00:02.500Z',
    });
  }
  t.end();
});

t.test('one that could not be started has containerd’s exit code, one that was not created has none', t => {
  const started = new ResultBuilder(KIND, OPTIONS);
  started.notStarted('StartError', 'exec: "x": not found', 0);
  t.match(started.build(), { reason: 'StartError', message: 'exec: "x": not found', exitCode: 128 });
  t.ok(started.build().finishedAt);
  for (const reason of ['CreateContainerConfigError', 'CreateContainerError']) {
    const created = new ResultBuilder(KIND, OPTIONS);
    created.notStarted(reason, 'why', 0);
    t.match(created.build(), { reason, message: 'why', exitCode: undefined, finishedAt: undefined });
  }
  t.end();
});

t.test('restarts: the last run’s end, everybody’s output, all of the time, the highest peak', t => {
  const result = new ResultBuilder(KIND, OPTIONS);
  result.output('stdout', Buffer.from('one\n'));
  result.ended(exit(1, 100, 5000), 1000, 2000, 0);
  result.output('stdout', Buffer.from('two\n'));
  result.output('stderr', Buffer.from('error\n'));
  result.ended(exit(-9, 50, 7000), 3000, 4000, 1);
  result.ended(exit(0, 7, 6000), 5000, 6000, 2);
  t.match(result.build(), {
    reason: 'Completed',
    exitCode: 0,
    signal: undefined,
    restartCount: 2,
    startedAt: '1970-01-01T00:00:05.000Z',
    cpuMicroseconds: 157,
    maxRss: 7000,
    stdout: 'one\ntwo\n',
    stderr: 'error\n',
  });
  t.end();
});

t.test('output that is cut inside a character, or is no UTF-8 at all', t => {
  const result = new ResultBuilder(KIND, OPTIONS);
  const text = Buffer.from('a€𝄞z');
  for (const byte of text) result.output('stdout', Buffer.from([byte]));
  result.output('stderr', Buffer.from([0x61, 0xff, 0x62, 0xe2, 0x82]));
  const { stdout, stderr } = result.build();
  t.equal(stdout, 'a€𝄞z');
  t.equal(stderr, 'a\ufffdb\ufffd');
  t.same(result.build(), result.build(), 'asking does not change it');
  t.end();
});

t.test('of an endless stream only the first 64 MiB are kept', t => {
  const result = new ResultBuilder(KIND, OPTIONS);
  const megabyte = Buffer.alloc(1 << 20, 'a');
  for (let i = 0; i < 64; i++) result.output('stdout', megabyte);
  t.match([result.build().stdout.length, result.build().truncated], [64 << 20, false]);
  result.output('stdout', Buffer.from('b'));
  t.match([result.build().stdout.length, result.build().truncated], [64 << 20, true]);
  t.end();
});

t.test('nothing is kept unless it is asked for', t => {
  const result = new ResultBuilder(KIND, { ...OPTIONS, capture: false });
  result.output('stdout', Buffer.from('text'));
  t.equal(result.build().stdout, '');
  t.end();
});

/** A pod of some containers: a number is an exit code, `undefined` one that never ran. */
function podOf(
  phase: PodResult['phase'],
  ...containers: readonly (number | undefined | Partial<ContainerResult>)[]
): PodResult {
  const blank = new ResultBuilder(KIND, { ...OPTIONS, capture: false }).build();
  return {
    name: 'p',
    namespace: 'default',
    uid: '',
    phase,
    reason: undefined,
    message: undefined,
    containers: containers.map(each => ({
      ...blank,
      ...(typeof each === 'object' ? each : { exitCode: each }),
    })),
  };
}

t.test('the exit code of the command', t => {
  const sidecar = { sidecar: true, exitCode: 137 };
  const cases: readonly (readonly [pod: PodResult, code: number])[] = [
    [podOf('Succeeded', 0), 0],
    [podOf('Succeeded', 0, 0, 0), 0],
    [podOf('Failed', 3), 3],
    [podOf('Failed', 0, 4, 5), 4],
    [podOf('Failed', 137, 1), 137],
    [podOf('Succeeded', sidecar, 0), 0],
    [podOf('Failed', sidecar, 2), 2],
    [podOf('Failed', { init: true, exitCode: 6 }), 6],
    [podOf('Failed', { reason: 'StartError', exitCode: 128 }), 128],
    [podOf('Pending', undefined), 1],
    [podOf('Pending'), 1],
    [podOf('Failed'), 1],
    [podOf('Failed', 0), 1],
    [podOf('Pending', undefined, 9), 9],
  ];
  for (const [pod, code] of cases)
    t.equal(
      exitCodeOf(pod),
      code,
      `${pod.phase} ${pod.containers.map(({ exitCode }) => exitCode).join(', ')}`,
    );
  t.end();
});
