import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { AgentApi } from '../../src/agent/api/start.ts';
import { AgentClient } from '../../src/agent/client.ts';
import type { ApiObject } from '../../src/agent/objects.ts';
import { Registry } from '../../src/agent/registry.ts';
import { servedKind } from '../../src/agent/resources.ts';
import { agentSocket } from '../../src/agent/start.ts';
import type { PodStatus } from '../../src/kube/types.generated.ts';
import { rootsAt } from '../../src/oci/pod-paths.ts';
import { command } from '../unit/cli/command.ts';
import { KUBECTL, needsKubectl as skip } from './harness.ts';

// Times are printed in the local time zone.
process.env.TZ = 'UTC';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Asynchronous: the API that is asked is in this process. */
const ran = (program: string, args: readonly string[], env: object = {}): Promise<Said> =>
  new Promise(resolve => {
    const options = { env: { PATH: process.env.PATH, TZ: 'UTC', ...env }, timeout: 30_000 };
    execFile(program, args, options, (error, out, err) =>
      resolve({ code: Number(error?.code ?? 0), out, err }),
    );
  });

/** Ages may differ by a moment, and each program has a name of its own. */
const comparable = (text: string): string =>
  text
    .replace(/\b\d+s\b( ago)?/g, 'AGE$1')
    .replace(/(LAST SEEN|AGE) +/g, '$1 ')
    .replaceAll('kubectl', 'podspace')
    .replace(/ +$/gm, '')
    .trimEnd();

/** Kinds that anybody makes, and that kubectl knows. */
const COMPARED = [
  'ConfigMap',
  'Secret',
  'PersistentVolumeClaim',
  'Service',
  'NetworkPolicy',
  'Role',
  'ClusterRoleBinding',
];

async function create(client: AgentClient, { metadata, ...rest }: ApiObject): Promise<void> {
  const type = servedKind(rest.kind);
  const namespace = type.namespaced ? 'default' : undefined;
  const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
  const { creationTimestamp: _, ...own } = metadata;
  await client.create(type, namespace, { ...rest, apiVersion, metadata: { ...own, namespace } });
}

const DESCRIBED = 'test/unit/agent/print/described';

const OBJECTS = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, tier: a}, annotations: {note: x}}
spec:
  initContainers: [{name: init, image: busybox, command: [sh, -c, "echo a"]}]
  containers:
    - name: main
      image: nginx
      ports: [{containerPort: 80}, {containerPort: 443, hostPort: 8443}]
      resources: {limits: {memory: 64Mi, cpu: 100m}, requests: {cpu: 50m}}
      livenessProbe: {httpGet: {path: /healthz, port: 80}}
      readinessProbe: {exec: {command: [cat, /ready]}, periodSeconds: 1}
      envFrom: [{configMapRef: {name: settings}}]
      env: [{name: A, value: "1"}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
      volumeMounts: [{name: v, mountPath: /v, readOnly: true}]
  volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: settings}}]
  nodeSelector: {disk: ssd}
`;

t.test('what kubectl prints, podspace prints', { skip }, async t => {
  const root = mkdtempSync(join(tmpdir(), 'ps-'));
  const roots = rootsAt(root);
  const registry = await Registry.open(roots);
  const api = await AgentApi.start({
    roots,
    registry,
    backend: { attach: () => Promise.reject(new Error('nothing runs here')) },
  });
  t.teardown(() => {
    api.close();
    registry.close();
    rmSync(root, { recursive: true, force: true });
  });
  const config = join(root, 'kubeconfig');
  const client = new AgentClient(agentSocket(roots));
  const body = { listen: '127.0.0.1:0' };
  writeFileSync(config, JSON.stringify(await client.json('POST', '/podspace/kubeconfig', { body })));
  const kubectl = (...words: readonly string[]): Promise<Said> =>
    ran(KUBECTL ?? '', words, { KUBECONFIG: config, HOME: root });
  // In this process: half the time goes without another start of Node each time.
  const podspace = async (...words: readonly string[]): Promise<Said> => {
    const { exitCode, stdout, stderr } = await command(words, { root });
    return { code: exitCode, out: stdout, err: stderr };
  };

  writeFileSync(join(root, 'web.yaml'), OBJECTS);
  const made = await kubectl('apply', '-f', join(root, 'web.yaml'));
  t.equal(made.out, 'pod/web created\n', made.err);
  const web = registry.get('Pod', 'default', 'web') as ApiObject;
  const [{ object }] = parse(readFileSync(`${DESCRIBED}/pod.yaml`, 'utf8')) as [
    { object: { status: PodStatus } },
  ];
  const names: Readonly<Record<string, string>> = { web: 'main' };
  const status = {
    ...object.status,
    containerStatuses: object.status.containerStatuses?.map(each => ({
      ...each,
      name: names[each.name] ?? each.name,
    })),
  };
  registry.setPodStatus(web.metadata.uid ?? '', status);
  for (let i = 0; i < 3; i++)
    registry.recordEvent(web, 'Warning', 'BackOff', 'Back-off', { component: 'kubelet' });
  for (const file of ['config', 'network', 'policy'])
    for (const { object } of parse(readFileSync(`${DESCRIBED}/${file}.yaml`, 'utf8')) as {
      object: ApiObject;
    }[])
      if (COMPARED.includes(object.kind) && object.metadata.name !== 't') await create(client, object);

  const one = {
    kind: 'ConfigMap',
    metadata: { name: 'one' },
    data: { text: 'a\nb\n' },
    binaryData: { z: 'AAAA' },
  };
  await create(client, one as unknown as ApiObject);

  const same: readonly string[] = [
    'get pods',
    'get pods -o wide',
    'get pods --show-labels -L app,tier',
    'get pods -A',
    'get pods nosuch',
    'get pods,cm',
    'get pods -o name',
    'get pod web -o jsonpath={.status.podIP}{"\\n"}{range.spec.containers[*]}{.name}{end}',
    'get pods -o jsonpath={.items[*].spec.containers[*].ports}',
    'get pods -o custom-columns=N:.metadata.name,IP:.status.podIPs[*].ip,P:.spec.containers[*].ports',
    'get pods -n nowhere',
    'get svc',
    'get svc -o wide',
    'get cm',
    'get secrets',
    'get pvc',
    'get netpol',
    'get roles',
    'get clusterrolebindings -o wide',
    'get events',
    'get ns',
    'get nosuch',
    'describe pod web',
    'describe pod w',
    'describe cm one',
    'describe pvc data',
    'describe netpol web',
    'describe netpol deny',
    'describe svc web',
    'describe svc out',
    'describe role reader',
    'describe clusterrolebinding all',
    'events',
    'events --for pod/web',
    'wait --for=condition=Initialized pod/web',
    'wait --for=condition=Ready pod/web --timeout=1s',
    'wait --for=delete pod/nosuch',
    'wait --for=jsonpath={.status.phase}=Running pod/web',
    'logs nosuch',
    'delete pod nosuch',
    'delete pod nosuch --ignore-not-found',
  ];
  const compare = async (words: readonly string[]): Promise<void> => {
    const [theirs, ours] = await Promise.all([kubectl(...words), podspace(...words)]);
    const what = words.join(' ');
    t.equal(comparable(ours.out), comparable(theirs.out), what);
    const errors = (text: string): string => comparable(text.replace(/^hint: .*\n/gm, ''));
    t.equal(errors(ours.err), errors(theirs.err), `${what}: stderr`);
    t.equal(ours.code, theirs.code, `${what}: exit code`);
  };
  for (const words of same) await compare(words.split(' '));
  // What one has applied the other takes as its own.
  t.equal((await podspace('apply', '-f', join(root, 'web.yaml'))).out, 'pod/web unchanged\n');
  writeFileSync(
    join(root, 'map.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b, c: d}\n',
  );
  t.equal((await podspace('apply', '-f', join(root, 'map.yaml'))).out, 'configmap/m created\n');
  t.equal((await kubectl('apply', '-f', join(root, 'map.yaml'))).out, 'configmap/m unchanged\n');
  writeFileSync(
    join(root, 'map.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: e}\n',
  );
  t.equal((await kubectl('apply', '-f', join(root, 'map.yaml'))).out, 'configmap/m configured\n');
  t.equal((await podspace('apply', '-f', join(root, 'map.yaml'))).out, 'configmap/m unchanged\n');
});
