/** The cluster DNS on port 53, and the machine's own clients, in a network and mount namespace of their own. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { startDns } from '../../src/network/dns/start.ts';
import { resolvConf } from '../../src/oci/resolv-conf.ts';
import { stateOf } from '../unit/network/dns/state.ts';
import { hasIPv6, needsRoot, podspace, probePod } from './harness.ts';

/** Set for the process in the namespaces: where it can write. */
const DIRECTORY = process.env.PODSPACE_DNS_TEST;

const run = promisify(execFile);

/** Words of what a command prints on stdout, and its exit code. */
async function output(command: string, ...args: readonly string[]): Promise<string> {
  try {
    return (await run(command, args)).stdout;
  } catch (error) {
    return `exit ${(error as { code?: number }).code}`;
  }
}

/** As a pod of the namespace `shop` would ask. */
async function askAll(directory: string): Promise<Readonly<Record<string, string>>> {
  await run('busybox', ['ip', 'link', 'set', 'lo', 'up']);
  // getent asks for addresses of a family only where the machine has one itself, and loopback's do not count.
  for (const ip of hasIPv6 ? ['10.244.0.9/32', 'fd00::9/128'] : ['10.244.0.9/32'])
    await run('busybox', ['ip', 'address', 'add', ip, 'dev', 'lo']);
  const pod = { metadata: { name: 'web', namespace: 'shop' }, spec: { containers: [] } };
  const cluster = { addresses: ['127.0.0.1'], domain: 'cluster.local' };
  writeFileSync(`${directory}/resolv.conf`, resolvConf(pod, 'options timeout:1\n', cluster).text);
  await run('mount', ['--bind', `${directory}/resolv.conf`, '/etc/resolv.conf']);
  const server = await startDns({ listen: { address: '127.0.0.1', port: 53 }, state: stateOf, upstream: [] });
  const nslookup = (...args: readonly string[]): Promise<string> => output('busybox', 'nslookup', ...args);
  const asked = {
    short: await output('getent', 'ahostsv4', 'front'),
    v6: await output('getent', 'ahostsv6', 'front'),
    namespace: await output('getent', 'hosts', 'web-0.web.shop'),
    service: await output('getent', 'ahosts', 'web.shop.svc'),
    whole: await output('getent', 'hosts', 'front.shop.svc.cluster.local.'),
    reverse: await output('getent', 'hosts', '10.96.0.20'),
    alias: await output('getent', 'ahostsv4', 'alias'),
    gone: await output('getent', 'hosts', 'gone'),
    refused: await output('getent', 'hosts', 'example.org.'),
    srv: await nslookup('-type=srv', '_http._tcp.web.shop.svc.cluster.local', '127.0.0.1'),
    busybox: await nslookup('front.shop.svc.cluster.local'),
  };
  await server.close();
  return asked;
}

if (DIRECTORY !== undefined) {
  process.stdout.write(JSON.stringify(await askAll(DIRECTORY)));
} else {
  t.test('glibc and busybox find what a pod looks for', { skip: needsRoot }, t => {
    const directory = t.testdir({});
    const node = 'PODSPACE_TEST_NODE=$(readlink /proc/self/ns/net) exec "$@"';
    const itself = [process.execPath, '--enable-source-maps', fileURLToPath(import.meta.url)];
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['--net', '--mount', 'sh', '-c', node, 'sh', ...itself],
      { encoding: 'utf8', env: { ...process.env, PODSPACE_DNS_TEST: directory }, timeout: 60_000 },
    );
    t.equal(status, 0, stderr);
    const said = JSON.parse(stdout) as Awaited<ReturnType<typeof askAll>>;
    t.match(said.short, /^10\.96\.0\.20 +STREAM front\.shop\.svc\.cluster\.local$/m);
    if (hasIPv6) t.match(said.v6, /^fd01::20 +STREAM/m);
    t.match(said.namespace, /^10\.244\.0\.2 +web-0\.web\.shop\.svc\.cluster\.local$/m);
    for (const ip of ['10.244.0.2', '10.244.0.3', '10.244.0.5', 'fd00::3']) t.match(said.service, ip);
    t.match(said.whole, 'front.shop.svc.cluster.local');
    t.match(said.reverse, /^10\.96\.0\.20 +front\.shop\.svc\.cluster\.local$/m);
    t.match(said.alias, '10.96.0.20');
    t.equal(said.gone, 'exit 2', 'getent: a key was not found');
    t.equal(said.refused, 'exit 2');
    t.match(said.srv, /_http\._tcp\.web.*service = 0 33 8080 web-1\.web\.shop\.svc\.cluster\.local/);
    t.match(said.busybox, /Address: 10\.96\.0\.20/);
    t.end();
  });

  t.test('a container has the file, and the user the warnings', { skip: needsRoot }, t => {
    const node = readFileSync('/etc/resolv.conf', 'utf8');
    const nameservers = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
    for (const spec of [
      { dnsPolicy: 'Default' as const, dnsConfig: { nameservers } },
      {
        dnsPolicy: 'None' as const,
        dnsConfig: { nameservers, searches: ['a_b.example'], options: [{ name: 'ndots', value: '2' }] },
      },
      {},
    ]) {
      const pod = probePod(spec, { image: 'localhost/busybox', command: ['cat', '/etc/resolv.conf'] });
      const { status, stdout, stderr } = podspace(
        ['run', '--network', 'none', '-v', '-'],
        JSON.stringify(pod),
      );
      t.equal(status, 0, stderr);
      const expected = resolvConf({ spec: { containers: [], ...spec } }, node);
      t.equal(stdout, expected.text);
      for (const { reason, message } of expected.warnings) {
        if (reason === 'DNSConfigForming') t.ok(stderr.includes(`Warning: ${message}\n`), stderr);
        t.match(stderr, new RegExp(`^Warning\t${reason}\tpod/${pod.metadata.name}\t`, 'm'));
      }
      t.equal(
        stderr.match(/^Warning\t(MissingClusterDNS|DNSConfigForming)/gm)?.length ?? 0,
        expected.warnings.length,
      );
    }
    t.end();
  });
}
