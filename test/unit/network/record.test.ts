import t from 'tap';
import { networkRecord } from '../../../src/network/record.ts';

t.test('what others must know of a pod', t => {
  const pod = {
    metadata: { uid: 'u', name: 'web', namespace: 'shop', labels: { app: 'web' } },
    spec: {
      containers: [
        {
          name: 'main',
          ports: [
            { name: 'http', containerPort: 80, protocol: 'TCP', hostPort: 8080, hostIP: '127.0.0.1' },
            { containerPort: 53, protocol: 'UDP' },
          ],
        },
        { name: 'none' },
      ],
      initContainers: [
        { name: 'first', ports: [{ containerPort: 1 }] },
        { name: 'side', restartPolicy: 'Always', ports: [{ containerPort: 2, hostPort: 2 }] },
      ],
    },
  };
  t.strictSame(networkRecord(pod, ['10.244.0.1'], true), {
    uid: 'u',
    namespace: 'shop',
    name: 'web',
    labels: { app: 'web' },
    ips: ['10.244.0.1'],
    hostNetwork: false,
    ports: [
      {
        container: 'main',
        isSidecar: false,
        name: 'http',
        containerPort: 80,
        protocol: 'TCP',
        hostPort: 8080,
        hostIP: '127.0.0.1',
      },
      { container: 'main', isSidecar: false, containerPort: 53, protocol: 'UDP' },
      { container: 'side', isSidecar: true, containerPort: 2, protocol: 'TCP', hostPort: 2 },
    ],
    ready: true,
  });
  t.end();
});

t.test('a pod that says little', t => {
  t.strictSame(networkRecord({ spec: { containers: [{ name: 'c' }], hostNetwork: true } }, [], false), {
    uid: '',
    namespace: 'default',
    name: '',
    labels: {},
    ips: [],
    hostNetwork: true,
    ports: [],
    ready: false,
  });
  t.end();
});
