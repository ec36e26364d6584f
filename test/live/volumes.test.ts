import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import t from 'tap';
import { leftovers, needsRoot, probePod, type Result, runPod } from './harness.ts';

const shell = (script: string, mounts: readonly object[], more: object = {}): object => ({
  name: 'c',
  image: 'localhost/busybox',
  command: ['sh', '-c', script],
  volumeMounts: mounts,
  ...more,
});

/** Runs a shell in a pod with these volumes; other objects may stand beside it. */
function run(
  volumes: readonly object[],
  container: object,
  spec: object = {},
  objects: readonly object[] = [],
): Result & { readonly status: number | null } {
  return runPod({
    apiVersion: 'v1',
    kind: 'List',
    items: [...objects, probePod({ volumes, containers: [container], ...spec })],
  });
}

const stdout = (result: Result): string => result.containers[0]?.stdout ?? '';

t.test('emptyDir: on disk, 0777, shared by the containers, gone with the pod', { skip: needsRoot }, t => {
  const result = runPod(
    probePod({
      volumes: [{ name: 'v' }],
      initContainers: [{ ...shell('echo hello > /a/file', [{ name: 'v', mountPath: '/a' }]), name: 'write' }],
      containers: [shell('cat /b/file; stat -c "%a %u %g" /b', [{ name: 'v', mountPath: '/b' }])],
    }),
  );
  t.equal(result.containers[1]?.stdout, 'hello\n777 0 0\n');
  t.end();
});

t.test('emptyDir medium Memory is a tmpfs of its size', { skip: needsRoot }, t => {
  const result = run(
    [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '2Mi' } }],
    shell(
      'stat -f -c %T /v; df -k /v | tail -n 1; dd if=/dev/zero of=/v/x bs=1M count=3 2>&1 | grep -o "No space left"',
      [{ name: 'v', mountPath: '/v' }],
    ),
  );
  t.match(stdout(result), /^tmpfs\n.* 2048 .*\nNo space left\n$/);
  t.end();
});

t.test('fsGroup: setgid, group-writable, and not on hostPath', { skip: needsRoot }, t => {
  const host = t.testdir({ dir: {} });
  const volumes = [
    { name: 'e', emptyDir: {} },
    { name: 'm', emptyDir: { medium: 'Memory' } },
    { name: 'c', configMap: { name: 'cm' } },
    { name: 'h', hostPath: { path: `${host}/dir` } },
  ];
  const mounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  const script = 'touch /e/new; stat -c "%a %u:%g %n" /e /e/new /m /c /c/..data/k /h';
  const result = run(volumes, shell(script, mounts), { securityContext: { runAsUser: 405, fsGroup: 555 } }, [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { k: 'v' } },
  ]);
  t.match(stdout(result), /^2777 0:555 \/e\n644 405:555 \/e\/new\n3777 0:555 \/m\n/);
  t.match(stdout(result), /\n2777 0:555 \/c\n644 0:555 \/c\/..data\/k\n/);
  t.match(stdout(result), / 0:0 \/h\n$/);
  t.end();
});

t.test('configMap and secret: files, modes, items, read-only', { skip: needsRoot }, t => {
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'cm' },
      data: { a: 'one', b: 'two' },
      binaryData: { bin: Buffer.from([0, 255, 1]).toString('base64') },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
      data: { token: Buffer.from('s3cret').toString('base64') },
      stringData: { plain: 'text' },
    },
  ];
  const volumes = [
    { name: 'cm', configMap: { name: 'cm' } },
    {
      name: 'items',
      configMap: {
        name: 'cm',
        defaultMode: 0o640,
        items: [
          { key: 'a', path: 'deep/er/file', mode: 0o400 },
          { key: 'b', path: 'b' },
        ],
      },
    },
    { name: 's', secret: { secretName: 's' } },
    { name: 'none', configMap: { name: 'missing', optional: true } },
  ];
  const mounts = volumes.map(({ name }) => ({ name, mountPath: `/${name}` }));
  const script =
    'cat /cm/a /cm/b; echo; od -An -tx1 /cm/bin; stat -L -c "%a %n" /items/deep/er/file /items/b /cm/a; cat /s/token /s/plain; echo; stat -f -c %T /s; ls /none; readlink /cm/a; touch /cm/x 2>&1 | grep -o "Read-only file system"';
  t.equal(
    stdout(run(volumes, shell(script, mounts), {}, objects)),
    'onetwo\n 00 ff 01\n400 /items/deep/er/file\n640 /items/b\n644 /cm/a\ns3crettext\ntmpfs\n..data/a\nRead-only file system\n',
  );
  t.end();
});

t.test('a volume that cannot be set up', { skip: needsRoot }, t => {
  const dir = t.testdir({ file: '' });
  const cases: readonly (readonly [object, string])[] = [
    [{ configMap: { name: 'missing' } }, 'configmap "missing" not found'],
    [{ secret: { secretName: 'missing' } }, 'secret "missing" not found'],
    [
      { hostPath: { path: `${dir}/file`, type: 'Directory' } },
      `hostPath type check failed: ${dir}/file is not a directory`,
    ],
    [
      { hostPath: { path: `${dir}/none`, type: 'File' } },
      `hostPath type check failed: ${dir}/none is not a file`,
    ],
    [{ hostPath: { path: dir, type: 'Socket' } }, `hostPath type check failed: ${dir} is not a socket file`],
    [
      { hostPath: { path: dir, type: 'CharDevice' } },
      `hostPath type check failed: ${dir} is not a character device`,
    ],
    [
      { hostPath: { path: dir, type: 'BlockDevice' } },
      `hostPath type check failed: ${dir} is not a block device`,
    ],
  ];
  for (const [source, message] of cases) {
    const result = run([{ name: 'v', ...source }], shell('true', [{ name: 'v', mountPath: '/v' }]));
    t.match(result, {
      phase: 'Pending',
      reason: 'FailedMount',
      message: `MountVolume.SetUp failed for volume "v" : ${message}`,
      status: 1,
    });
  }
  t.end();
});

t.test('hostPath: every type that is there, and those that are made', { skip: needsRoot }, async t => {
  // Short: a socket's path has room for 107 characters, unix(7).
  const dir = mkdtempSync('/tmp/podspace-');
  t.teardown(() => rmSync(dir, { recursive: true }));
  mkdirSync(`${dir}/dir`);
  writeFileSync(`${dir}/file`, 'content');
  const server = createServer().listen(`${dir}/socket`);
  await new Promise(done => server.once('listening', done));
  const paths: readonly (readonly [string, string])[] = [
    ['dir', 'Directory'],
    ['dir', ''],
    ['file', 'File'],
    ['file', ''],
    ['socket', 'Socket'],
    ['new-dir', 'DirectoryOrCreate'],
    ['new-file', 'FileOrCreate'],
    ['new/deep', ''],
  ];
  for (const [path, type] of paths) {
    const result = run(
      [{ name: 'v', hostPath: { path: `${dir}/${path}`, type } }],
      shell('stat -c %F /v', [{ name: 'v', mountPath: '/v' }]),
    );
    t.match(
      stdout(result),
      path === 'socket' ? 'socket' : path.includes('file') ? /regular/ : 'directory',
      `${path} ${type}`,
    );
  }
  t.equal(statSync(`${dir}/new-dir`).mode & 0o777, 0o755);
  t.equal(statSync(`${dir}/new-file`).mode & 0o777, 0o644);
  const result = run(
    [{ name: 'v', hostPath: { path: '/dev/null', type: 'CharDevice' } }],
    shell('stat -c %F /v', [{ name: 'v', mountPath: '/v' }]),
  );
  t.match(stdout(result), 'character special');
  server.close();
});

t.test('readOnly and writable mounts of one volume', { skip: needsRoot }, t => {
  const mounts = [
    { name: 'v', mountPath: '/rw' },
    { name: 'v', mountPath: '/ro', readOnly: true },
  ];
  t.equal(
    stdout(
      run(
        [{ name: 'v', emptyDir: {} }],
        shell('echo x > /rw/f; cat /ro/f; echo y > /ro/f 2>&1 || echo no', mounts),
      ),
    ).replace(/.*Read-only.*\n/, ''),
    'x\nno\n',
  );
  t.end();
});

t.test('subPath: a directory, a file of a configMap, one that is made', { skip: needsRoot }, t => {
  const dir = t.testdir({ sub: { file: 'from the host' }, single: 'one file' });
  const volumes = [
    { name: 'h', hostPath: { path: dir } },
    { name: 'c', configMap: { name: 'cm' } },
    { name: 'e', emptyDir: {} },
  ];
  const mounts = [
    { name: 'h', mountPath: '/sub', subPath: 'sub' },
    { name: 'c', mountPath: '/etc/app.conf', subPath: 'app.conf' },
    { name: 'e', mountPath: '/made', subPath: 'a/b' },
  ];
  const result = run(
    volumes,
    shell('cat /sub/file; echo; cat /etc/app.conf; echo; touch /made/x; ls /made', mounts),
    {},
    [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { 'app.conf': 'key=value' } }],
  );
  t.equal(stdout(result), 'from the host\nkey=value\nx\n');
  t.end();
});

t.test('subPath cannot leave its volume through a link', { skip: needsRoot }, t => {
  const dir = t.testdir({ volume: {}, outside: { secret: 'host' } });
  for (const [name, target] of [
    ['absolute', `${dir}/outside`],
    ['relative', '../outside'],
    ['proc', '/proc/self/root'],
  ] as const)
    symlinkSync(target, `${dir}/volume/${name}`);
  for (const name of ['absolute', 'relative', 'proc']) {
    const result = run(
      [{ name: 'v', hostPath: { path: `${dir}/volume` } }],
      shell('ls /v', [{ name: 'v', mountPath: '/v', subPath: name }]),
    );
    t.equal(result.containers[0]?.reason, 'StartError', name);
    t.match(result.containers[0]?.message, /openat2.*RESOLVE_BENEATH.*(EXDEV|ELOOP)/);
  }
  t.same(readdirSync(`${dir}/outside`), ['secret']);
  t.end();
});

t.test('mountPropagation', { skip: needsRoot }, t => {
  const dir = t.testdir({ v: {} });
  const propagation = (mode: string | undefined, privileged: boolean): string => {
    const container = shell(
      'grep " /v " /proc/self/mountinfo',
      [{ name: 'v', mountPath: '/v', ...(mode === undefined ? {} : { mountPropagation: mode }) }],
      { securityContext: { privileged } },
    );
    return stdout(run([{ name: 'v', hostPath: { path: `${dir}/v` } }], container));
  };
  t.notMatch(propagation(undefined, false), /shared:|master:/);
  t.notMatch(propagation('None', false), /shared:|master:/);
  t.match(propagation('Bidirectional', true), /shared:/);
  t.end();
});

t.test('env from ConfigMaps, Secrets and fields', { skip: needsRoot }, t => {
  const objects = [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { A: 'a', B: 'b' } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { token: 't' } },
  ];
  const env = [
    { name: 'ONE', value: '1' },
    { name: 'TWO', value: '$(ONE)$(ONE) $$(ONE) $(NONE)' },
    { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'cm', key: 'B' } } },
    { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'token' } } },
    { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'GONE', valueFrom: { configMapKeyRef: { name: 'none', key: 'x', optional: true } } },
  ];
  const pod = probePod({
    containers: [
      {
        name: 'c',
        image: 'localhost/busybox',
        command: ['sh', '-c', 'echo "$A|$P_B|$ONE|$TWO|$KEY|$TOKEN|$NAME|$GONE|$0"', '$(KEY)'],
        env,
        envFrom: [{ configMapRef: { name: 'cm' } }, { prefix: 'P_', configMapRef: { name: 'cm' } }],
      },
    ],
  });
  t.equal(
    stdout(runPod({ apiVersion: 'v1', kind: 'List', items: [...objects, pod] })),
    `a|b|1|11 $(ONE) $(NONE)|b|t|${pod.metadata.name}||b\n`,
  );
  const missing = runPod(
    probePod({}, { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
  );
  t.match(missing.containers[0], { reason: 'CreateContainerConfigError', message: 'secret "s" not found' });
  t.end();
});

t.test(
  'a mount point that the image lacks is made in the container, not in the image',
  { skip: needsRoot },
  t => {
    t.equal(
      stdout(
        run(
          [{ name: 'v', emptyDir: {} }],
          shell('stat -c %F /new/deep/mount', [{ name: 'v', mountPath: '/new/deep/mount' }]),
        ),
      ),
      'directory\n',
    );
    t.equal(stdout(run([], shell('test -e /new || echo none', []))), 'none\n');
    t.end();
  },
);

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(leftovers(), []);
  t.end();
});
