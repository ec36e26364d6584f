import { execFileSync } from 'node:child_process';
import t from 'tap';
import { isRoot, needsRoot, probePod, start } from './harness.ts';
import {
  importImages,
  inNamespace,
  listOf,
  mayUse,
  namespace,
  ownState,
  PRIVILEGED,
  policy,
  RESTRICTED,
  range,
  scripted,
} from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root, on, write } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

interface VerifyResult {
  readonly policy?: string;
  readonly level: string;
  readonly agrees: boolean;
  readonly rules: readonly {
    container: string;
    rule: string;
    promised: string;
    found: string;
    agrees: boolean;
  }[];
}
/** What verify says, once the pod says that it is there. */
const verifyPod = (name: string): VerifyResult & { readonly status: number | null } => {
  const { status, stdout, stderr } = on('verify', name, '-o', 'json');
  if (stdout === '') throw new Error(stderr);
  return { status, ...(JSON.parse(stdout) as VerifyResult) };
};
/** Runs pods for as long as it takes to look at them. */
async function running(
  pods: readonly ReturnType<typeof probePod>[],
  args: readonly string[],
  body: () => void,
): Promise<void> {
  const run = start(['run', '-', ...args, '--root', root], JSON.stringify(listOf(...pods)));
  try {
    for (const { metadata } of pods) {
      const isReady = (): boolean =>
        run
          .output()
          .split('\n')
          .some(line => line.includes('ready') && (pods.length === 1 || line.includes(metadata.name)));
      for (let i = 0; i < 500 && !isReady(); i++) await new Promise(done => setTimeout(done, 20));
      if (!isReady()) throw new Error(`pod ${metadata.name} is not ready: ${run.output()}`);
    }
    body();
  } finally {
    run.child.kill('SIGKILL');
    await run.ended;
    on('gc');
  }
}
const WAIT = 'echo ready; exec sleep 60';
const disagreeing = ({ rules }: VerifyResult): readonly string[] =>
  rules.filter(({ agrees }) => !agrees).map(({ rule, found }) => `${rule.replace(/^\w+\//, '')}: ${found}`);

t.test('verify agrees about a healthy pod of each kind', { skip: needsRoot }, async t => {
  const policies = write(
    'a.json',
    PRIVILEGED,
    RESTRICTED,
    ...mayUse('users', 'restricted'),
    ...mayUse('admins', 'privileged'),
    namespace('strict', { enforce: 'restricted' }),
    namespace('lax', { enforce: 'baseline' }),
  );
  const hardened = scripted(
    WAIT,
    { securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } } },
    {
      securityContext: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
      },
    },
  );
  const open = [
    scripted(WAIT),
    scripted(WAIT, { shareProcessNamespace: true }),
    scripted(WAIT, { hostUsers: false }),
    scripted(WAIT, { hostNetwork: true }),
    scripted(WAIT, { hostPID: true, hostIPC: true }),
    scripted(WAIT, {}, { securityContext: { privileged: true } }),
    inNamespace(hardened, 'strict'),
    inNamespace(scripted(WAIT), 'lax'),
  ];
  await running(open, ['--policy', policies, '--as', 'a', '--as-group', 'admins'], () => {
    for (const { metadata } of open) {
      const result = verifyPod(metadata.name);
      t.match(result, { status: 0, agrees: true, policy: 'privileged' }, JSON.stringify(disagreeing(result)));
      t.equal(
        result.level,
        { strict: 'restricted:latest', lax: 'baseline:latest' }[
          (metadata as { namespace?: string }).namespace ?? ''
        ] ?? 'privileged:latest',
      );
    }
  });
  const closed = [
    scripted(WAIT),
    scripted(WAIT, { shareProcessNamespace: true }),
    scripted(WAIT, { hostUsers: false }),
    scripted('echo ready; exec unshare -U -r sleep 60'),
    probePod({
      initContainers: [{ name: 'init', image: 'localhost/busybox', command: ['sh', '-c', WAIT] }],
    }),
  ];
  await running(closed, ['--policy', policies, '--as', 'a', '--as-group', 'users'], () => {
    for (const [i, { metadata }] of closed.entries()) {
      const result = verifyPod(metadata.name);
      t.match(
        result,
        { status: 0, agrees: true, policy: 'restricted' },
        `${i}: ${JSON.stringify(disagreeing(result))}`,
      );
      t.equal(result.rules.length, 14);
      t.match(result.rules[0]?.container, i === 4 ? 'init' : 'probe');
    }
    const { stdout } = on('verify', closed[0]?.metadata.name ?? '');
    t.match(
      stdout,
      /^CONTAINER +RULE +PROMISED +THE KERNEL SAYS +AGREES\nprobe +PodSecurityPolicy\/restricted privileged +not privileged: \/sys is read-only +\/sys is read-only +yes\n/,
    );
    t.match(
      stdout,
      /\nprobe +PodSecurityPolicy\/restricted requiredDropCapabilities +no capability +0 of them +yes\n/,
    );
  });
});

t.test('verify disagrees when a process breaks the promise', { skip: needsRoot }, async t => {
  const policies = write(
    'a.json',
    policy('p', {
      privileged: true,
      hostNetwork: true,
      hostPorts: [{ min: 40000, max: 40010 }],
      readOnlyRootFilesystem: true,
      requiredDropCapabilities: ['NET_RAW'],
      runAsUser: { rule: 'RunAsAny' },
    }),
  );
  const remounts = scripted(
    `mount -o remount,rw / && touch /x && ${WAIT}`,
    {},
    { securityContext: { privileged: true } },
  );
  const listens = scripted('nc -l -p 40005 & nc -l -p 40999 & sleep 0.1; echo ready; wait', {
    hostNetwork: true,
  });
  const healthy = scripted(WAIT);
  await running([remounts, listens, healthy], ['--policy', policies], () => {
    const found = [remounts, listens, healthy].map(({ metadata }) => verifyPod(metadata.name));
    t.strictSame(
      found.map(({ status, agrees }) => [status, agrees]),
      [
        [1, false],
        [1, false],
        [0, true],
      ],
    );
    t.strictSame(found.map(disagreeing), [
      ['p requiredDropCapabilities: NET_RAW', 'p readOnlyRootFilesystem: writable'],
      ['p hostPorts: TCP/40005, TCP/40999'],
      [],
    ]);
    const { status, stdout } = on('verify', remounts.metadata.name);
    t.equal(status, 1);
    t.match(stdout, / readOnlyRootFilesystem +the root is read-only +writable +NO\n/);
  });
  const users = write('b.json', policy('u', { runAsUser: range(1000, 2000) }));
  const setuid = scripted(
    'su root -c "exec sleep 60" & sleep 0.2; echo ready; wait',
    {},
    { image: 'localhost/user' },
  );
  await running([setuid], ['--policy', users], () => {
    const result = verifyPod(setuid.metadata.name);
    t.strictSame(disagreeing(result), ['u runAsUser: user 1000, user 0'], JSON.stringify(result.rules));
  });
});

t.test('verify reads the rules of host ports', { skip: needsRoot }, async t => {
  const policies = write('a.json', policy('p', { hostPorts: [{ min: 40000, max: 40010 }] }));
  const pod = scripted(WAIT, {}, { ports: [{ containerPort: 80, hostPort: 40007 }] });
  const found = (): readonly unknown[] => {
    const { status, rules } = verifyPod(pod.metadata.name);
    return [status, rules.find(({ rule }) => rule.endsWith('hostPorts'))?.found];
  };
  await running([pod], ['--policy', policies], () => {
    t.same(found(), [0, 'TCP/40007']);
    const [, ip = ''] = /\b(10\.244\.\d+\.\d+)\b/.exec(on('net').stdout) ?? [];
    const element = `{ udp . 41000 : ${ip} . 80 }`;
    execFileSync('nft', ['add', 'element', 'inet', 'podspace', 'host-ports-v4', element]);
    t.same(found(), [1, 'TCP/40007, UDP/41000'], 'somebody else’s rule');
  });
});

t.test('verify of what nothing was promised about, or is not there', { skip: needsRoot }, async t => {
  const pod = scripted(WAIT);
  await running([pod], [], () => {
    t.match(on('verify', pod.metadata.name), {
      status: 0,
      stdout: 'no policy and no level has decided about this pod: nothing was promised\n',
    });
    t.match(verifyPod(pod.metadata.name), { status: 0, agrees: true, rules: [] });
  });
  t.match(on('verify', 'nosuch'), {
    status: 1,
    stderr: 'error: pods "nosuch" not found\nhint: no pod is running\n',
  });
});
