import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { leftovers, needsRoot, probePod, start } from './harness.ts';
import { withCanary, withImage } from './hostile.ts';

/** Compiles a static program into an image's root. */
const program =
  (name: string, source: string) =>
  (root: string): void =>
    void execFileSync('cc', ['-O2', '-static', '-o', join(root, name), '-xc', '-'], { input: source });

/** What can be seen of a shared PID namespace can be stopped there, with CAP_KILL, which is granted by default. */
const STOPPER = `
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	int me = getpid();

	puts("ready");
	fflush(stdout);
	for (;;)
		for (int pid = me + 1; pid < me + 60; pid++)
			kill(pid, SIGSTOP);
}
`;

for (const [title, spec] of [
  ['', {}],
  [' in a user namespace', { hostUsers: false }],
] as const) {
  t.test(
    `a container that stops others as they start does not hold up the end${title}`,
    { skip: needsRoot },
    t =>
      withCanary(t, canary =>
        withImage({ build: program('stop', STOPPER) }, canary, async image => {
          const pod = probePod({
            ...spec,
            shareProcessNamespace: true,
            initContainers: [{ name: 'stopper', image, command: ['/stop'], restartPolicy: 'Always' }],
            containers: Array.from({ length: 8 }, (_, i) => ({
              name: `c${i}`,
              image,
              command: ['sleep', '100'],
            })),
          });
          const running = start(['run', '-'], JSON.stringify(pod));
          await running.waitFor('ready');
          await sleep(300);
          running.child.kill('SIGINT');
          await sleep(100);
          const before = Date.now();
          running.child.kill('SIGINT');
          await running.ended;
          t.ok(Date.now() - before < 5000, 'a second time kills at once');
          t.comment(
            `${running.output().match(/the process was killed there/g)?.length ?? 0} were being started`,
          );
          t.strictSame(leftovers(), []);
        }),
      ),
  );
}
