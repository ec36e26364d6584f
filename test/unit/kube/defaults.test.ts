import t from 'tap';
import { setDefaults } from '../../../src/kube/defaults.ts';
import type { Pod } from '../../../src/kube/types.generated.ts';
import { podOf, podWith } from './pods.ts';

const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
};
const container = (pod: Pod) => setDefaults(freeze(pod)).spec?.containers[0];

t.test('a pod that says nothing', t => {
  t.same(setDefaults(freeze(podOf())), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: {
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      terminationGracePeriodSeconds: 30,
      enableServiceLinks: true,
      schedulerName: 'default-scheduler',
      serviceAccountName: 'default',
      securityContext: {},
      containers: [
        {
          name: 'c',
          image: 'i',
          imagePullPolicy: 'Always',
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
        },
      ],
    },
  });
  t.end();
});

t.test('what is set stays, zero too', t => {
  const pod = podOf({ terminationGracePeriodSeconds: 0, restartPolicy: 'Never', enableServiceLinks: false });
  t.match(setDefaults(pod).spec, {
    terminationGracePeriodSeconds: 0,
    restartPolicy: 'Never',
    enableServiceLinks: false,
  });
  t.end();
});

t.test('an empty string is not set', t => {
  const pod = podOf(
    { restartPolicy: '', dnsPolicy: '', serviceAccountName: '', serviceAccount: 'a' },
    { namespace: '' },
  );
  const defaulted = setDefaults(pod);
  t.equal(defaulted.metadata?.namespace, 'default');
  t.match(defaulted.spec, { restartPolicy: 'Always', dnsPolicy: 'ClusterFirst', serviceAccountName: 'a' });
  t.equal(container(podWith({ imagePullPolicy: '', terminationMessagePath: '' }))?.imagePullPolicy, 'Always');
  t.end();
});

t.test('pull policy follows the tag', t => {
  const policies = {
    a: 'Always',
    'a:latest': 'Always',
    'host:5000/a': 'Always',
    'host:5000/a:1': 'IfNotPresent',
    'a:1': 'IfNotPresent',
    [`a@sha256:${'0'.repeat(64)}`]: 'IfNotPresent',
  };
  for (const [image, policy] of Object.entries(policies))
    t.equal(container(podWith({ image }))?.imagePullPolicy, policy, image);
  t.end();
});

t.test('ports: protocol, and with hostNetwork the host port, in init containers too', t => {
  const ports = [{ containerPort: 80 }, { containerPort: 53, protocol: 'UDP', hostPort: 53 }];
  t.same(container(podWith({ ports }))?.ports, [
    { containerPort: 80, protocol: 'TCP' },
    { containerPort: 53, protocol: 'UDP', hostPort: 53 },
  ]);
  const host = setDefaults(
    podOf({ hostNetwork: true, initContainers: [{ name: 'a', image: 'i', ports: [{ containerPort: 80 }] }] }),
  );
  t.same(host.spec?.initContainers?.[0]?.ports, [{ containerPort: 80, protocol: 'TCP', hostPort: 80 }]);
  t.end();
});

t.test('volumes', t => {
  const volumes = [
    { name: 'a' },
    { name: 'b', hostPath: { path: '/' } },
    { name: 'c', configMap: { name: 'm' } },
    { name: 'd', secret: { secretName: 's', defaultMode: 0 } },
    { name: 'e', downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath: 'metadata.name' } }] } },
    { name: 'f', projected: { sources: [{ configMap: { name: 'm' } }, { downwardAPI: { items: [] } }] } },
    { name: 'g', projected: {} },
  ];
  t.same(setDefaults(freeze(podOf({ volumes }))).spec?.volumes, [
    { name: 'a', emptyDir: {} },
    { name: 'b', hostPath: { path: '/', type: '' } },
    { name: 'c', configMap: { name: 'm', defaultMode: 0o644 } },
    { name: 'd', secret: { secretName: 's', defaultMode: 0 } },
    {
      name: 'e',
      downwardAPI: {
        defaultMode: 0o644,
        items: [{ path: 'a', fieldRef: { fieldPath: 'metadata.name', apiVersion: 'v1' } }],
      },
    },
    {
      name: 'f',
      projected: {
        defaultMode: 0o644,
        sources: [{ configMap: { name: 'm' } }, { downwardAPI: { items: [] } }],
      },
    },
    { name: 'g', projected: { defaultMode: 0o644 } },
  ]);
  t.end();
});

t.test('probes and field references', t => {
  const defaulted = container(
    podWith({
      livenessProbe: { httpGet: { port: 80 } },
      env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    }),
  );
  t.same(defaulted?.livenessProbe, {
    httpGet: { port: 80, path: '/', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  t.equal(defaulted?.env?.[0]?.valueFrom?.fieldRef?.apiVersion, 'v1');
  t.end();
});

t.test('defaults are set once: a second time changes nothing', t => {
  const once = setDefaults(
    podWith({ ports: [{ containerPort: 80 }] }, { hostNetwork: true, volumes: [{ name: 'v' }] }),
  );
  t.same(setDefaults(once), once);
  t.end();
});

t.test('procMount and runAsUser are left open', t => {
  t.same(container(podWith({ securityContext: {} }))?.securityContext, {});
  t.end();
});

t.test('gRPC’s service, and the pages that hooks get', t => {
  const defaulted = container(
    podWith({
      readinessProbe: { grpc: { port: 1 } },
      lifecycle: { postStart: { httpGet: { port: 80 } }, preStop: { sleep: { seconds: 1 } } },
    }),
  );
  t.same(defaulted?.readinessProbe?.grpc, { port: 1, service: '' });
  t.same(defaulted?.lifecycle, {
    postStart: { httpGet: { port: 80, path: '/', scheme: 'HTTP' } },
    preStop: { sleep: { seconds: 1 } },
  });
  t.end();
});
