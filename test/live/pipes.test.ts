import { spawnSync } from 'node:child_process';
import t from 'tap';
import { leftovers, needsRoot, PODSPACE, probePod } from './harness.ts';

const node = process.execPath;

/** A shell pipeline with podspace in front; its exit code comes behind the output. */
function pipeline(command: string, input: object): { readonly stdout: string; readonly stderr: string } {
  return spawnSync('bash', ['-c', `set -o pipefail; ${command}; echo "exit code $?"`], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...process.env, PODSPACE: `${node} ${PODSPACE}` },
  });
}

const busybox = (script: string, spec: object = {}): object =>
  probePod(
    { terminationGracePeriodSeconds: 2, ...spec },
    {
      image: 'localhost/busybox',
      command: ['sh', '-c', script],
    },
  );

for (const [title, script] of [
  ['writes without end', 'yes'],
  ['writes once and goes on', 'echo y; sleep 0.3; echo y; exec sleep 1000'],
] as const) {
  t.test(`a reader that goes away ends a pod that ${title}`, { skip: needsRoot }, t => {
    const { stdout, stderr } = pipeline('$PODSPACE run - | head -n 1', busybox(script));
    t.equal(stdout, title === 'writes without end' ? 'y\nexit code 141\n' : stdout);
    t.match(stdout, /^y\nexit code (141|137)\n$/);
    t.equal(stderr, '');
    t.strictSame(leftovers(), []);
    t.end();
  });
}

t.test('so it does while a trace or several containers are printed', { skip: needsRoot }, t => {
  const { stdout } = pipeline('$PODSPACE run --trace - 2>&1 | head -n 1', busybox('yes'));
  t.match(stdout, /^--- \(sandbox\).*\nexit code 141\n$/);
  const two = ['a', 'b'].map(name => ({ name, image: 'localhost/busybox', command: ['yes', name] }));
  const many = pipeline('$PODSPACE run - | head -n 1', busybox('', { containers: two }));
  t.match(many.stdout, /^\[[ab]\] [ab]\nexit code 141\n$/);
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('all of a large output arrives, whole lines with their prefix', { skip: needsRoot }, t => {
  const containers = ['one', 'two'].map(name => ({
    name,
    image: 'localhost/busybox',
    command: ['sh', '-c', `i=0; while [ $i -lt 20000 ]; do echo ${name} $i; i=$((i+1)); done`],
  }));
  const { stdout } = pipeline(
    "$PODSPACE run - | sort | uniq -c | awk '{print $2, $3}' | sort | uniq -c",
    busybox('', { containers }),
  );
  t.match(stdout, /20000 \[one\] one\n\s*20000 \[two\] two\nexit code 0/);
  t.end();
});

t.test('stdout that is closed from the start is no crash', { skip: needsRoot }, t => {
  const { stderr } = pipeline('$PODSPACE run - >&-', busybox('echo hello'));
  t.notMatch(stderr, /podspace-main|at .*:\d+:\d+/);
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('an output that takes no more ends the pod, and is the error', { skip: needsRoot }, t => {
  const endless = busybox('trap "exit 3" TERM; echo out; echo err >&2; while :; do sleep 0.1; done');
  const full = (redirect: string): ReturnType<typeof pipeline> =>
    pipeline(`$PODSPACE run - ${redirect}`, endless);
  t.match(full('>/dev/full'), {
    stdout: 'exit code 1\n',
    stderr: /^(err\n)?error: cannot write to stdout: no space left on device\n$/,
  });
  t.equal(full('2>/dev/full').stdout.replace('out\n', ''), 'exit code 1\n', 'without a place to say it');
  t.match(pipeline('$PODSPACE run - -o json >/dev/full', busybox('echo done')), {
    stdout: 'exit code 1\n',
    stderr: 'error: cannot write to stdout: no space left on device\n',
  });
  t.strictSame(leftovers(), []);
  t.end();
});
