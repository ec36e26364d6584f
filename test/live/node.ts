import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

/** The node's ends of pods' links. */
export const podLinks = (): readonly string[] =>
  readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .flatMap(line => /^\s*(ps[0-9a-f]{11}):/.exec(line)?.[1] ?? []);

/** The kernel takes a link away some time after its namespace. */
export async function noPodLinks(): Promise<readonly string[]> {
  for (let i = 0; i < 500 && podLinks().length > 0; i++) await new Promise(done => setTimeout(done, 20));
  return podLinks();
}

export const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8' });

/** Routes that podspace has made in this node. */
export const podRoutes = (): string =>
  ip('route', 'show', 'proto', '112') + ip('-6', 'route', 'show', 'proto', '112');

/** A process in a network namespace of its own, which lasts as long as it. */
export async function newNamespace(): Promise<{ readonly pid: number; close(): Promise<void> }> {
  const child = spawn('unshare', ['--net', 'sleep', '1000'], { stdio: 'ignore' });
  const { pid = 0 } = child;
  const own = readlinkSync('/proc/self/ns/net');
  const ended = new Promise(done => child.on('exit', done));
  for (let i = 0; i < 500; i++) {
    if (
      readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n' &&
      readlinkSync(`/proc/${pid}/ns/net`) !== own
    )
      break;
    await new Promise(done => setTimeout(done, 10));
  }
  return {
    pid,
    close: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A host beyond the node, with the node's way out by it: `198.18.0.1` is the node, `198.18.0.2` the host. */
export async function outside(mtu = 1500): Promise<{ readonly pid: number; close(): Promise<void> }> {
  const host = await newNamespace();
  const inside = (...args: readonly string[]): string =>
    execFileSync('nsenter', ['-t', String(host.pid), '-n', 'ip', ...args], { encoding: 'utf8' });
  ip(
    'link',
    'add',
    'up0',
    'mtu',
    String(mtu),
    'type',
    'veth',
    'peer',
    'out0',
    'mtu',
    String(mtu),
    'netns',
    String(host.pid),
  );
  ip('addr', 'add', '198.18.0.1/24', 'dev', 'up0');
  ip('link', 'set', 'up0', 'up');
  inside('link', 'set', 'lo', 'up');
  inside('addr', 'add', '198.18.0.2/24', 'dev', 'out0');
  inside('link', 'set', 'out0', 'up');
  inside('route', 'add', 'default', 'via', '198.18.0.1');
  ip('route', 'add', 'default', 'via', '198.18.0.2');
  return {
    pid: host.pid,
    close: async () => {
      ip('link', 'del', 'up0');
      await host.close();
    },
  };
}

/** A TCP server of this process that says `hello` and the address that it was asked from. */
export function hello(address: string, port: number): Promise<Server> {
  const server = createServer(socket => socket.end(`hello ${socket.remoteAddress}\n`));
  return new Promise(done => server.listen(port, address, () => done(server)));
}

export const openFds = (): number => readdirSync('/proc/self/fd').length;
