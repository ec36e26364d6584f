import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { podspace, probePod, type Ran, type Report, runPod } from './harness.ts';

const ANY = { rule: 'RunAsAny' };
export const policy = (name: string, spec: object = {}, annotations: object = {}): object => ({
  apiVersion: 'policy/v1beta1',
  kind: 'PodSecurityPolicy',
  metadata: { name, annotations },
  spec: { runAsUser: ANY, seLinux: ANY, fsGroup: ANY, supplementalGroups: ANY, volumes: ['*'], ...spec },
});
export const range = (min: number, max: number): object => ({ rule: 'MustRunAs', ranges: [{ min, max }] });
export const SECCOMP = 'seccomp.security.alpha.kubernetes.io';
export const PRIVILEGED = policy(
  'privileged',
  {
    privileged: true,
    hostNetwork: true,
    hostPID: true,
    hostIPC: true,
    hostPorts: [{ min: 0, max: 65535 }],
    allowedCapabilities: ['*'],
    allowedProcMountTypes: ['Default', 'Unmasked'],
  },
  { [`${SECCOMP}/allowedProfileNames`]: '*' },
);
export const RESTRICTED = policy('restricted', {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  requiredDropCapabilities: ['ALL'],
  runAsUser: range(1000, 2000),
  runAsGroup: range(3000, 3000),
  fsGroup: range(5, 9),
  supplementalGroups: range(7, 9),
});
const rbac = (kind: string, name: string, rest: object): object => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name },
  ...rest,
});
/** Lets a group use policies. */
export const mayUse = (group: string, ...policies: readonly string[]): readonly object[] => [
  rbac('ClusterRole', group, {
    rules: [
      { apiGroups: ['policy'], resources: ['podsecuritypolicies'], resourceNames: policies, verbs: ['use'] },
    ],
  }),
  rbac('ClusterRoleBinding', group, {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: group },
    subjects: [{ kind: 'Group', name: group }],
  }),
];
export const namespace = (name: string, labels: Readonly<Record<string, string>>): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name,
    labels: Object.fromEntries(
      Object.entries(labels).map(([mode, level]) => [`pod-security.kubernetes.io/${mode}`, level]),
    ),
  },
});

export const listOf = (...items: readonly object[]): object => ({ apiVersion: 'v1', kind: 'List', items });

/** A pod with one container that runs a shell script. */
export const scripted = (
  script: string,
  spec: object = {},
  container: object = {},
): ReturnType<typeof probePod> =>
  probePod(spec, { image: 'localhost/busybox', command: ['sh', '-c', script], ...container });
export const inNamespace = (pod: ReturnType<typeof probePod>, name: string): ReturnType<typeof probePod> => ({
  ...pod,
  metadata: { ...pod.metadata, namespace: name } as { name: string },
});

export interface OwnState {
  readonly directory: string;
  readonly root: string;
  /** Runs a command on it. */
  on(...args: readonly string[]): Ran;
  /** Writes objects to a file; returns its path. */
  write(name: string, ...objects: readonly object[]): string;
  /** What a pod's first container prints, then what podspace says. */
  outputOf(manifest: unknown, ...args: readonly string[]): string;
  /** What the probe sees. */
  reportOf(manifest: unknown, ...args: readonly string[]): Report;
  /** Whatever a pod could have left. */
  left(): readonly string[];
}

/** A state directory of a test's own: policies in the machine's would decide about the pods of others. */
export function ownState(directory: string): OwnState {
  const root = join(directory, 'state');
  const outputOf: OwnState['outputOf'] = (manifest, ...args) => {
    const { containers, stderr } = runPod(manifest, ...args, '--root', root);
    return `${containers[0]?.stdout}${containers[0]?.stderr}${stderr}`;
  };
  return {
    directory,
    root,
    on: (...args) => podspace([...args, '--root', root]),
    write: (name, ...objects) => {
      writeFileSync(join(directory, name), JSON.stringify(listOf(...objects)));
      return join(directory, name);
    },
    outputOf,
    reportOf: (...parts) => JSON.parse(outputOf(...parts)) as Report,
    left: () => {
      const files = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : [];
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
      return [
        ...files.filter(name => !name.startsWith('images')),
        ...mounts.filter(line => line.includes(root)),
      ];
    },
  };
}

const IMAGES = '/var/lib/podspace/images/roots';

/** Puts the images of this machine's tests into it; and `localhost/user`, with a USER, and a su(1) for whoever asks. */
export function importImages({ directory, on }: OwnState): void {
  const known = JSON.parse(podspace(['image', 'ls', '-o', 'json']).stdout) as {
    reference: string;
    id: string;
  }[];
  const add = (name: string, source: string, config: string): void => {
    const { status, stderr } = on('image', 'import', `localhost/${name}`, source, '--config', config);
    if (status !== 0) throw new Error(stderr);
  };
  for (const name of ['probe', 'busybox']) {
    const { id = '' } = known.find(({ reference }) => reference === `localhost/${name}:latest`) ?? {};
    add(name, join(IMAGES, id, 'rootfs'), `rootfs/${name}/config.json`);
    if (name === 'probe') continue;
    const copy = join(directory, 'user');
    cpSync(join(IMAGES, id, 'rootfs'), copy, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(copy, 'etc/passwd'), 'root::0:0:root:/root:/bin/sh\nuser:x:1234:1234::/:/bin/sh\n');
    chmodSync(join(copy, 'bin/busybox'), 0o4755);
    writeFileSync(join(directory, 'user.json'), JSON.stringify({ User: '1234:1234', Cmd: ['id'] }));
    add('user', copy, join(directory, 'user.json'));
  }
}
