import t from 'tap';
import { leftovers, needsRoot, podspace, probePod, type Report, start } from './harness.ts';
import { podspaceCommand, underTerminal } from './terminal.ts';

const guest = {
  runAsUser: 405,
  allowPrivilegeEscalation: false,
  capabilities: { add: ['NET_ADMIN'], drop: ['KILL'] },
};

/** Holds a pod while the body runs. */
async function withPod(
  pod: ReturnType<typeof probePod>,
  body: (name: string) => Promise<void> | void,
): Promise<void> {
  const running = start(['run', '-'], JSON.stringify(pod));
  try {
    await running.waitFor('ready');
    await body(pod.metadata.name);
  } finally {
    running.child.kill('SIGTERM');
    await running.ended;
  }
}

for (const spec of [{}, { shareProcessNamespace: true }, { hostPID: true, hostNetwork: true }]) {
  t.test(
    `exec has what the container's process has: ${JSON.stringify(spec)}`,
    { skip: needsRoot },
    async t => {
      const pod = probePod(spec, {
        args: ['signals'],
        workingDir: '/tmp',
        securityContext: guest,
        env: [{ name: 'X', value: 'y' }],
      });
      await withPod(pod, name => {
        const ran = podspace(['exec', name, '--', '/probe']);
        t.equal(ran.status, 0, ran.stderr);
        const report = JSON.parse(ran.stdout) as Report;
        t.same(report.uid, [405, 405, 405]);
        t.same(report.groups, [20, 100]);
        t.equal(report.capBnd, '00000000a80435db');
        t.equal(report.capEff, '0000000000000000');
        t.same([report.capInh, report.capAmb], ['0000000000000000', '0000000000000000']);
        t.equal(report.noNewPrivs, '1');
        t.equal(report.cwd, '/tmp');
        t.ok(report.env.includes('X=y'));
        t.ok(report.env.includes('HOME=/home/guest'));
        t.same(Object.keys(report.fds), ['0', '1', '2']);
        t.equal(report.sigBlk, '0000000000000000');
        t.equal(report.sigIgn, '0000000000000000');
        t.notOk(report.env.some(entry => entry.startsWith('NODE_')));
        const inspected = JSON.parse(podspace(['inspect', name, '-o', 'json']).stdout).containers.find(
          (each: { name: string }) => each.name === 'probe',
        );
        for (const [type, { inode }] of Object.entries<{ inode: number }>(inspected.namespaces)) {
          const file = { mount: 'mnt', network: 'net' }[type] ?? type;
          t.equal(report.namespaces[file], `${file}:[${inode}]`, type);
        }
      });
    },
  );
}

t.test('exit codes, stdin, a bad command, a container by name', { skip: needsRoot }, async t => {
  const container = (name: string): object => ({ name, image: 'localhost/probe', args: ['signals'] });
  await withPod(probePod({ containers: [container('a'), container('b')] }), name => {
    t.equal(podspace(['exec', name, '-c', 'b', '--', '/probe', 'exit', '9']).status, 9);
    t.equal(podspace(['exec', name, '--', '/probe', 'kill', '9']).status, 137);
    t.equal(podspace(['exec', '-i', name, '-c', 'a', '--', '/probe', 'cat'], 'text\n').stdout, 'text\n');
    t.equal(
      podspace(['exec', name, '-c', 'a', '--', '/probe', 'cat'], 'text\n').stdout,
      '',
      'without -i there is no input',
    );
    t.match(
      podspace(['exec', name, '--', '/probe', 'exit', '0']).stderr,
      'Defaulted container "a" out of: a, b',
    );
    const bad = podspace(['exec', name, '-c', 'a', '--', 'nosuch']);
    t.equal(bad.status, 1);
    t.match(bad.stderr, 'exec: "nosuch": executable file not found in $PATH');
    t.match(
      podspace(['exec', name, '-c', 'zz', '--', 'true']).stderr,
      `container zz is not valid for pod ${name}`,
    );
    t.match(podspace(['exec', name]).stderr, 'you must specify at least one command for the container');
    t.match(podspace(['exec', 'no-such-pod', '--', 'true']).stderr, 'pods "no-such-pod" not found');
  });
});

t.test('ps and inspect', { skip: needsRoot }, async t => {
  const containers = [
    { name: 'a', image: 'localhost/probe', args: ['signals'], securityContext: guest },
    { name: 'b', image: 'localhost/probe', args: ['signals'] },
  ];
  await withPod(probePod({ containers }), name => {
    const processes = JSON.parse(podspace(['ps', name, '-o', 'json']).stdout) as {
      container: string;
      containerPid: number;
      uid: number;
      noNewPrivs: boolean;
      seccomp: string;
      command: string;
      capabilities: { effective: string };
    }[];
    t.match(processes, [
      {
        container: 'a',
        containerPid: 1,
        uid: 405,
        noNewPrivs: true,
        seccomp: 'disabled',
        command: '/probe signals',
        capabilities: { effective: '0000000000000000' },
      },
      {
        container: 'b',
        containerPid: 1,
        uid: 0,
        noNewPrivs: false,
        capabilities: { effective: '00000000a80425fb' },
      },
    ]);
    const { containers: inspected } = JSON.parse(podspace(['inspect', name, '-o', 'json']).stdout) as {
      containers: { namespaces: Record<string, { owner: string }> }[];
    };
    for (const { namespaces } of inspected) {
      t.same(Object.fromEntries(Object.entries(namespaces).map(([type, { owner }]) => [type, owner])), {
        user: 'host',
        mount: 'own',
        uts: 'pod',
        ipc: 'pod',
        network: 'pod',
        pid: 'own',
        cgroup: 'own',
        time: 'host',
      });
    }
    t.match(podspace(['ps']).stdout, new RegExp(`default +${name} +a,b`));
    t.match(podspace(['inspect', name]).stdout, /CONTAINER +PID +USER +MNT +UTS/);
  });
});

t.test('run -it and exec -it: a real terminal, with its size', { skip: needsRoot }, async t => {
  const dir = t.testdir({ 'pod.json': JSON.stringify(probePod({}, { image: 'localhost/busybox' })) });
  const shell = podspaceCommand(['run', '-it', `${dir}/pod.json`, '--', 'sh']);
  const ran = await underTerminal(shell, async ({ write, waitFor }) => {
    await waitFor('#');
    write('stty size; tty; echo pid $$; sleep 100\r');
    await waitFor('pid 1');
    write('\u0003');
    write('echo interrup""ted; exit 4\r');
  });
  t.match(ran.output, '33 77');
  t.match(ran.output, '/dev/pts/0');
  t.match(ran.output, 'interrupted', 'Ctrl-C reaches the foreground process only');
  t.equal(ran.status, 4);

  await withPod(probePod({}, { args: ['signals'] }), async name => {
    const command = podspaceCommand(['exec', '-it', name, '--', '/probe', 'tty']);
    const execed = await underTerminal(command, async () => undefined);
    const report = JSON.parse(/\{.*\}/.exec(execed.output)?.[0] ?? '{}');
    t.match(report, { tty: [1, 1, 1], name: '/dev/pts/0', rows: 33, columns: 77 });
    t.equal(report.sid, report.pid, 'a session of its own');
    t.equal(report.foreground, report.pid);
  });
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
