import { closeSync, existsSync, readSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { koffi } from '../../src/native/koffi.ts';
import { syscall } from '../../src/native/libc.ts';
import { Listener } from '../../src/native/notifications.ts';
import { receiveFd } from '../../src/native/pipe.ts';
import { needsRoot } from './harness.ts';
import { Place } from './oci.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;

/** The other end of linux.seccomp.listenerPath. Nothing waits longer than 10 s. */
class Agent {
  readonly path: string;
  readonly #socket: number;
  readonly #libc = koffi.load('libc.so.6');

  constructor(path: string) {
    this.path = path;
    const address = Buffer.alloc(110);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, 2);
    this.#socket = syscall('socket', [AF_UNIX, SOCK_STREAM, 0]);
    syscall('bind', [this.#socket, address, address.length]);
    syscall('listen', [this.#socket, 5]);
  }

  #wait(fd: number): void {
    const poll = this.#libc.func('poll', 'int', ['void *', 'long', 'int']);
    const bytes = Buffer.alloc(8);
    bytes.writeInt32LE(fd, 0);
    bytes.writeInt16LE(1, 4);
    if (poll(bytes, 1, 10_000) !== 1) throw new Error('nothing came in 10 s');
  }

  /** What was sent: the fd, and the rest of the text, whose first byte came with it. */
  take(): { readonly fd: number; readonly state: Record<string, unknown> } {
    this.#wait(this.#socket);
    const accept = this.#libc.func('accept', 'int', ['int', 'void *', 'void *']);
    const connection = Number(accept(this.#socket, null, null));
    this.#wait(connection);
    const fd = receiveFd(connection);
    const rest = Buffer.alloc(65536);
    const size = readSync(connection, rest);
    closeSync(connection);
    return { fd, state: JSON.parse(`{${rest.subarray(0, size).toString()}`) };
  }

  /** Lets the next call of a filter go on; returns who made it. */
  answer(fd: number): { readonly pid: number } {
    this.#wait(fd);
    const listener = new Listener(fd);
    const notification = listener.receive();
    if (notification === undefined) throw new Error('whoever asked has gone');
    listener.letGoOn(notification);
    return notification;
  }

  close(): void {
    closeSync(this.#socket);
  }
}

t.test(
  'SCMP_ACT_NOTIFY: an agent gets the listener of the container, and of each exec',
  { skip: needsRoot },
  t => {
    const place = new Place();
    const agent = new Agent(join(place.directory, 'agent'));
    t.teardown(() => {
      for (const id of ['notify', 'alone']) place.call('delete', '--force', id);
      agent.close();
      place.remove();
    });
    const seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      listenerPath: agent.path,
      listenerMetadata: 'what the agent must know',
      flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_NOTIFY' }],
    };
    const bundle = place.bundle('mkdir /made; touch /done; sleep 20', config => {
      config.root.readonly = false;
      config.linux.seccomp = seccomp;
      config.process.noNewPrivileges = true;
    });
    t.same(place.create(bundle, 'notify'), { status: 0, stdout: '', stderr: '' });
    const { pid } = JSON.parse(place.call('state', 'notify').stdout) as { pid: number };
    const first = agent.take();
    t.match(first.state, {
      ociVersion: /^1\./,
      fds: ['seccompFd'],
      pid,
      metadata: 'what the agent must know',
      state: { id: 'notify', status: 'creating', pid, bundle },
    });
    t.equal(place.call('start', 'notify').status, 0);
    const asked = agent.answer(first.fd);
    t.notSame(asked.pid, pid, 'the mkdir of the shell, in its own process');

    const child = place.start('exec', 'notify', 'mkdir', '/other');
    const second = agent.take();
    t.match(second.state, { fds: ['seccompFd'], state: { id: 'notify', status: 'running', pid } });
    t.equal(agent.answer(second.fd).pid, second.state.pid);
    return new Promise<void>(resolve => {
      child.once('exit', code => {
        t.equal(code, 0);
        t.ok(existsSync(join(bundle, 'rootfs/other')));
        t.ok(existsSync(join(bundle, 'rootfs/done')));
        closeSync(first.fd);
        closeSync(second.fd);
        resolve();
      });
    });
  },
);

t.test('an agent that is not there is an error, and nothing is left', { skip: needsRoot }, async t => {
  const place = new Place();
  t.teardown(() => place.remove());
  const bundle = place.bundle('true', config => {
    config.linux.seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      listenerPath: join(place.directory, 'nobody'),
      syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' }],
    };
  });
  const { status, stderr } = place.create(bundle, 'alone');
  t.equal(status, 1);
  t.match(stderr, /linux\.seccomp\.listenerPath: cannot connect to .*: ENOENT/);
  t.same(place.leftovers('alone'), []);
});
