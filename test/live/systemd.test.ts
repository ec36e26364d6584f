import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { needsRoot } from './harness.ts';

const isThere = existsSync('/lib/systemd/systemd');
const skip = needsRoot || (isThere ? false : 'systemd is not installed');

t.test('the agent under systemd', { skip }, t => {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-systemd-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const at = (name: string): string => resolve('test/live/systemd', name);
  // systemd wants a terminal for its console.
  const boot = ['bash', at('boot.sh'), directory, resolve('.'), at('steps.sh')].join(' ');
  const { stdout } = spawnSync('script', ['--quiet', '--return', '--command', boot, '/dev/null'], {
    encoding: 'utf8',
    timeout: 120_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const step = (name: string) => {
    const file = join(directory, 'out', name);
    if (!existsSync(file)) throw new Error(`it has not come to "${name}":\n${stdout}`);
    const [status, ...lines] = readFileSync(file, 'utf8').split('\n');
    return { status: Number(status), lines };
  };
  const done = { status: 0 };
  const running = { status: 0, lines: [/^web +1\/1 +Running +0 +\d+s$/] };

  t.match(step('install'), done);
  t.match(step('enable'), done);
  t.match(step('before').lines, ['inactive', 'active'], 'the socket alone');
  t.match(step('activated'), { status: 0, lines: ['No resources found in default namespace.'] });
  t.match(step('after').lines, ['active', 'active'], 'a request has started it');
  t.match(step('apply'), { status: 0, lines: ['pod/web created'] });
  t.match(step('ready'), done);
  t.match(step('restarted'), running, 'a restart of the service leaves the pod alone');
  t.match(step('killed'), running, 'systemd starts it again');
  t.match(step('stopped').lines, ['inactive', 'active']);
  t.match(step('again'), running, 'and a request does');
  t.strictSame(step('shim-then'), step('shim'), 'the same shim all the time');
  const { lines } = step('log');
  t.ok(lines.length > 20);
  t.strictSame(
    lines,
    lines.map((_, i) => String(i)),
    'no line is missing, none is there twice',
  );
  t.match(step('delete'), { status: 0, lines: ['pod "web" deleted'] });
  t.match(step('end'), { status: 0, lines: ['agent stopped'] });
  t.match(step('ended').lines, ['inactive', 'active']);
  t.match(step('failed').lines, ['inactive'], 'it did not fail');
  t.end();
});
