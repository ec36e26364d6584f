// podspace as a library: a sandbox for one command, its output as it comes, and the result as an object.
//   node examples/library.mjs        (as root, in a checkout that is built)
import { compilePod, runPod } from 'podspace';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'sandbox-' },
  spec: {
    securityContext: { runAsUser: 405 },
    containers: [{ name: 'job', image: 'localhost/busybox', command: ['sh', '-c', 'id; echo done >&2; exit 3'] }],
  },
};

const [job] = await compilePod(pod);
console.log(`${job.program.split('\n').length} lines of program; bounding set: ${job.oci.process.capabilities.bounding.length} capabilities`);

const result = await runPod(pod, {
  signal: AbortSignal.timeout(10_000),
  onStdout: chunk => process.stdout.write(`stdout: ${chunk}`),
  onStderr: chunk => process.stdout.write(`stderr: ${chunk}`),
});
console.log(result.phase, result.containers[0].exitCode);
