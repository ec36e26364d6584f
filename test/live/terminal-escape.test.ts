import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot, probePod } from './harness.ts';
import { sh, withCanary, withImage } from './hostile.ts';
import { podspaceCommand, underTerminal } from './terminal.ts';

const IOCTL = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
int main(int argc, char **argv)
{
	int number = atoi(argv[3]);
	for (int fd = 0; fd < 3; fd++)
		printf("%s%s", ioctl(fd, strtoul(argv[2], 0, 0), &number) ? "no " : "yes ", fd == 2 ? "\\n" : "");
	return argc == 0;
}
`;

/** What a container does to the terminal that it was started from. It has its own, or pipes. */
const ATTACKS: readonly (readonly [title: string, script: string, spec: object, container: object])[] = [
  ['types into its terminal', 'for c in 101 99 104 111 10; do /ioctl - 0x5412 $c; done', {}, {}],
  [
    'types, and may (SYS_ADMIN)',
    'for c in 101 99 104 111 10; do /ioctl - 0x5412 $c; done',
    {},
    { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } },
  ],
  [
    'sets another line discipline',
    'for n in 2 13 18 21; do /ioctl - 0x5423 $n; done; /ioctl - 0x5423 0',
    {},
    {},
  ],
  ['takes the console', '/ioctl - 0x541d 0; echo x > /dev/console', {}, {}],
  [
    'makes nodes of terminals',
    'for n in 0 1 2 3; do mknod /tmp/$n c 136 $n && echo gotcha > /tmp/$n; done',
    {},
    {},
  ],
  [
    'opens podspace’s own terminal',
    'for fd in 0 1 2; do echo gotcha > /proc/$PPID/fd/$fd; done; ls /proc/$PPID/fd /proc/$PPID/cwd',
    { hostPID: true },
    {},
  ],
];

const build = (root: string): void =>
  void execFileSync('cc', ['-static', '-o', join(root, 'ioctl'), '-xc', '-'], { input: IOCTL });

t.test('what a container does to terminals reaches its own', { skip: needsRoot }, t =>
  withCanary(t, canary =>
    withImage({ build }, canary, async image => {
      const file = join(t.testdir({}), 'pod.json');
      for (const [title, script, spec, container] of ATTACKS) {
        writeFileSync(
          file,
          JSON.stringify(probePod(spec, { image, ...sh(`exec 2>&1; ${script}; echo fine`), ...container })),
        );
        for (const options of [['-it'], []]) {
          const settings = 'stty -a | md5sum';
          const run = podspaceCommand(['run', ...options, file]).replaceAll("'", '');
          const look = 'line=; read -rst 0.3 line; echo "outer: <$line>"';
          const { output } = await underTerminal(
            `bash -c '${settings}; ${run}; ${look}; ${settings}'`,
            async () => undefined,
          );
          const what = `${title}, run ${options.join(' ')}`;
          t.match(output, /^fine\r/m, what);
          t.match(output, 'outer: <>', `${what}: nothing was typed at our terminal`);
          t.notMatch(output, 'gotcha', what);
          const [before, after] = output.match(/[0-9a-f]{32}/g) ?? [];
          t.ok(before);
          t.equal(before, after, `${what}: our terminal is set as it was`);
        }
      }
    }),
  ),
);
