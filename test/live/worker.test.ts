/** The library in a worker thread: signals are the main thread's there. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { leftovers, needsRoot, probePod } from './harness.ts';
import { noPodLinks } from './node.ts';

t.test('names are answered to a pod that a worker runs', { skip: needsRoot }, async t => {
  const pod = probePod(
    {},
    {
      image: 'localhost/busybox',
      command: ['nslookup', 'kube-dns.kube-system.svc.cluster.local'],
    },
  );
  const library = fileURLToPath(new URL('../../dist/index.cjs', import.meta.url));
  const inWorker = `require(${JSON.stringify(library)}).runPod(${JSON.stringify(pod)}, {
    onStdout: chunk => process.stdout.write(chunk), onStderr: chunk => process.stdout.write(chunk) })`;
  const program = `new (require('node:worker_threads').Worker)(${JSON.stringify(inWorker)}, {
    eval: true, trackUnmanagedFds: false })`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  t.equal(status, 0, stderr);
  t.match(stdout, 'NXDOMAIN');
  t.same(await noPodLinks(), []);
  t.same(leftovers(), []);
});
