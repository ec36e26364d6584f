import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { ftruncateSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { F } from '../../src/linux/constants.generated.ts';
import { rawSyscall } from '../../src/native/libc.ts';
import { shimFd } from '../../src/native/shim.ts';
import { needsRoot, podspace, probePod, runPod, start } from './harness.ts';
import { sh, withCanary, withImage } from './hostile.ts';

/**
 * CVE-2019-5736: an image has its command be /proc/self/exe, which is the file of whoever executes it. As the loader of
 * that program it then runs with a file of the machine's behind that name, and writes to it when nobody runs it any more.
 */
const LOADER = `
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	char name[4096] = "";
	readlink("/proc/self/exe", name, sizeof(name) - 1);
	printf("loads %s\\n", name);
	return open("/proc/self/exe", O_WRONLY) >= 0;
}
`;
const LOADERS = ['lib64/ld-linux-x86-64.so.2', 'lib/ld-linux-aarch64.so.1'];

function build(root: string): void {
  const cc = (args: readonly string[], input: string): void =>
    void execFileSync('cc', [...args, '-xc', '-'], { input });
  for (const path of LOADERS) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    cc(['-static', '-o', join(root, path)], LOADER);
  }
  writeFileSync(join(root, 'script'), '#!/proc/self/exe\n', { mode: 0o755 });
  symlinkSync('/proc/self/exe', join(root, 'link'));
  // An ELF file may name its loader, too.
  cc(['-Wl,--dynamic-linker=/proc/self/exe', '-o', join(root, 'loaded')], 'int main(void) { return 0; }');
}

const COMMANDS = ['/proc/self/exe', '/proc/thread-self/exe', '/script', '/link', '/loaded'];
const SPECS: Readonly<Record<string, object>> = {
  'a PID namespace of its own': {},
  'shared processes': { shareProcessNamespace: true },
  'the machine’s processes': { hostPID: true },
  'a user namespace': { hostUsers: false },
  'a user namespace with shared processes': { hostUsers: false, shareProcessNamespace: true },
};
/** podspace-shim does not know these arguments. */
const REFUSED = 126;

const hash = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

t.test('/proc/self/exe as command, interpreter, loader or link is never Node', { skip: needsRoot }, t =>
  withCanary(t, canary =>
    withImage({ build }, canary, async image => {
      const before = hash(process.execPath);
      for (const [title, spec] of Object.entries(SPECS)) {
        for (const command of COMMANDS) {
          const result = runPod(probePod(spec, { image, command: [command] }));
          const [{ stdout, stderr, exitCode } = { stdout: 'no container' }] = result.containers;
          t.strictSame([stdout, stderr, exitCode], ['', '', REFUSED], `${title}: ${command}`);
        }
        const waits = sh('trap exit TERM; echo up; while :; do sleep 0.02; done');
        const pod = probePod(spec, { image, ...waits });
        const running = start(['run', '-'], JSON.stringify(pod));
        await running.waitFor('up');
        for (const command of COMMANDS) {
          const { status, stdout } = podspace(['exec', pod.metadata.name, '--', command]);
          t.strictSame([stdout, status], ['', REFUSED], `${title}: exec ${command}`);
        }
        running.child.kill('SIGTERM');
        await running.ended;
      }
      t.equal(hash(process.execPath), before);
    }),
  ),
);

t.test('the shim can be neither written to nor made one that cannot be executed', t => {
  const fd = shimFd();
  const seals = F.F_SEAL_SEAL | F.F_SEAL_SHRINK | F.F_SEAL_GROW | F.F_SEAL_WRITE;
  const F_GET_SEALS = 1034;
  t.equal(rawSyscall('fcntl', fd, F_GET_SEALS, 0) & seals, seals);
  const EPERM = -1;
  t.equal(rawSyscall('write', fd, Buffer.from('x'), 1), EPERM);
  t.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' });
  const [major = 0, minor = 0] = readFileSync('/proc/sys/kernel/osrelease', 'utf8').split('.').map(Number);
  if (major > 6 || (major === 6 && minor >= 3)) t.equal(rawSyscall('fchmod', fd, 0), EPERM);
  t.end();
});
