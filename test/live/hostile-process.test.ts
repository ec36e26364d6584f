import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { leftovers, needsRoot, PODSPACE, podspace, probePod, start } from './harness.ts';
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

t.test(
  'of output without end as much is kept as there is room for, and the pod ends in time',
  { skip: needsRoot },
  t => {
    const container = { image: 'localhost/busybox', command: ['yes'] };
    const pod = JSON.stringify(probePod({ terminationGracePeriodSeconds: 0 }, container));
    const script =
      '"$0" "$1" run - -o json --timeout 3000ms > "$2"; echo $?; tail -c 60 "$2"; stat -c %s "$2"';
    const file = join(t.testdir({}), 'result');
    const before = Date.now();
    const ran = spawnSync('sh', ['-c', script, process.execPath, PODSPACE, file], {
      input: pod,
      encoding: 'utf8',
    });
    t.match(ran.stdout, /^124\n(.|\n)*"truncated": true(.|\n)*\n\d+\n$/);
    t.ok(Number(/\d+\n$/.exec(ran.stdout)?.[0]) < 3 * (64 << 20), 'a newline is two characters there');
    t.ok(Date.now() - before < 20_000);
    t.strictSame(leftovers(), []);
    t.end();
  },
);

/** Looks at everything of every process that it sees, with SYS_PTRACE, and says each thing once. */
const SPY = `
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

static char seen[4096][160];

static void say(const char *what, const char *text)
{
	char line[160];

	snprintf(line, sizeof(line), "%s %s", what, text);
	for (int i = 0; i < 4096; i++) {
		if (!strcmp(seen[i], line))
			return;
		if (!*seen[i]) {
			strcpy(seen[i], line);
			puts(line);
			fflush(stdout);
			return;
		}
	}
}

static void look(const char *what, const char *path)
{
	char text[128] = "";
	ssize_t length = readlink(path, text, sizeof(text) - 1);

	if (length <= 0)
		return;
	/* Numbers are only different ones. */
	for (char *c = text; *c; c++)
		if (isdigit((unsigned char)*c))
			*c = '#';
	say(what, text);
}

static void maps(const char *path)
{
	char line[512], name[256];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %*s %255[^\\n]", name) == 1 && *name != '[')
			say("maps", name);
	if (file)
		fclose(file);
}

int main(void)
{
	char path[300];

	say("ready", "");
	for (;;) {
		DIR *proc = opendir("/proc");
		struct dirent *entry;

		while ((entry = readdir(proc))) {
			long pid = atol(entry->d_name);

			if (pid <= 1 || pid == getpid())
				continue;
			for (int fd = 0; fd < 64; fd++) {
				snprintf(path, sizeof(path), "/proc/%ld/fd/%d", pid, fd);
				look("fd", path);
			}
			snprintf(path, sizeof(path), "/proc/%ld/cwd", pid);
			look("cwd", path);
			snprintf(path, sizeof(path), "/proc/%ld/root", pid);
			look("root", path);
			snprintf(path, sizeof(path), "/proc/%ld/exe", pid);
			look("exe", path);
			snprintf(path, sizeof(path), "/proc/%ld/maps", pid);
			maps(path);
			snprintf(path, sizeof(path), "/proc/%ld/mem", pid);
			if (open(path, O_RDWR | O_CLOEXEC) > 60)
				for (int fd = 3; fd < 64; fd++)
					close(fd);
		}
		closedir(proc);
	}
}
`;

/** What it may see: the container's own files, what the shim is made of, and pipes. */
const HARMLESS = [
  /^(cwd|root) \/$/,
  /^fd (pipe:\[#+\]|\/dev\/null)$/,
  /^(exe|maps) (\/bin\/busybox|\/spy|\/memfd:podspace-shim \(deleted\))$/,
  /^maps \/memfd:podspace-(program|report) \(deleted\)$/,
  /^ready $/,
];

for (const [title, spec] of [
  ['its own PID namespace', {}],
  ['a shared PID namespace', { shareProcessNamespace: true }],
  ['a shared PID namespace in a user namespace', { shareProcessNamespace: true, hostUsers: false }],
] as const) {
  // CVE-2016-9962
  t.test(
    `a container with SYS_PTRACE sees nothing of the machine in who enters ${title}`,
    { skip: needsRoot },
    t =>
      withCanary(t, canary =>
        withImage({ build: program('spy', SPY) }, canary, async image => {
          const pod = probePod({
            ...spec,
            containers: [
              {
                name: 'spy',
                image,
                command: ['/spy'],
                securityContext: { capabilities: { add: ['SYS_PTRACE'] } },
              },
              // Starts and restarts beside it.
              { name: 'other', image, command: ['sleep', '0.05'] },
            ],
            restartPolicy: 'OnFailure',
          });
          const running = start(['run', '-'], JSON.stringify(pod));
          await running.waitFor('ready');
          for (let i = 0; i < 25; i++) podspace(['exec', '-c', 'spy', pod.metadata.name, '--', 'true']);
          running.child.kill('SIGINT');
          running.child.kill('SIGINT');
          await sleep(100);
          running.child.kill('SIGINT');
          await running.ended;
          const saw = running
            .output()
            .split('\n')
            .map(line => line.replace(/^\[spy\] /, ''));
          t.comment(saw.join('; '));
          t.strictSame(
            saw.filter(line => line !== '' && !HARMLESS.some(one => one.test(line))),
            [],
          );
        }),
      ),
  );
}
