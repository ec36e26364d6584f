import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import t from 'tap';
import { ERRNO } from '../../src/linux/constants.generated.ts';
import { NetworkError } from '../../src/network/errors.ts';
import { describeMessage, type Message } from '../../src/network/messages/messages.ts';
import { linkNames } from '../../src/network/names.ts';
import { NetlinkSocket, type Reply } from '../../src/network/netlink-socket.ts';
import { thisNode } from '../../src/network/node.ts';
import { type WireInput, wirePod } from '../../src/network/wire.ts';
import { newUid } from '../../src/runtime/uid.ts';
import { leftovers, needsRoot, PODSPACE, podspace, probePod } from './harness.ts';
import { ip, newNamespace, noPodLinks, openFds, podLinks, podRoutes } from './node.ts';

const ADDRESSES = ['10.244.0.1', 'fd00:10:244::1'];

type Exchanger = WireInput['pod'];

/** Messages in the order that they are sent, whatever the socket; some are not done. */
class Meddler {
  readonly sent: Message[] = [];
  readonly #reply: (message: Message, count: number) => Partial<Reply> | 'another' | undefined;

  constructor(reply: (message: Message, count: number) => Partial<Reply> | 'another' | undefined) {
    this.#reply = reply;
  }

  around(socket: Exchanger): Exchanger {
    return {
      exchange: async messages => {
        const wishes = messages.map(message => this.#reply(message, this.sent.push(message) - 1));
        const real = messages.map((message, i): Message => (wishes[i] === undefined ? message : NOBODY));
        const replies = await socket.exchange(real);
        return replies.map((reply, i) => {
          const wish = wishes[i];
          return typeof wish === 'object' ? { ...reply, data: [], ...wish } : reply;
        });
      },
    };
  }
}

/** A message that fails with ENODEV, whoever sends it. */
const NOBODY: Message = { kind: 'setLink', index: 2 ** 31 - 2, isUp: true };

/** Wires a network namespace that is made for it; what was thrown, if something was. */
async function wired(meddler: Meddler, uid: string): Promise<unknown> {
  const pod = await newNamespace();
  const netns = openSync(`/proc/${pod.pid}/ns/net`, 'r');
  const socket = NetlinkSocket.openIn(`/proc/${pod.pid}/ns/net`);
  const node = await thisNode();
  const input = { netns, uid, addresses: ADDRESSES, pod: meddler.around(socket) };
  try {
    const wire = await wirePod({ ...input, node: { ...node, socket: meddler.around(node.socket) } });
    await wire.unwire();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    closeSync(netns);
    socket.close();
    // Before the namespace is gone: it would take the link along.
    t.same(meddler.sent.some(({ kind }) => kind === 'newHostRoute') ? podRoutes() : '', '');
    await pod.close();
  }
}

t.test('each message fails in turn, and what was made is undone', { skip: needsRoot }, async t => {
  await thisNode();
  const good = new Meddler(() => undefined);
  t.equal(await wired(good, newUid()), undefined);
  await noPodLinks();
  // The last ones are of the pod's end.
  const wiring = good.sent.filter(({ kind }) => kind !== 'deleteHostRoute');
  t.ok(wiring.length > 18);
  const before = openFds();
  for (const count of wiring.keys()) {
    const uid = newUid();
    const meddler = new Meddler((_, i) => (i === count ? 'another' : undefined));
    const error = await wired(meddler, uid);
    const failed = meddler.sent[count];
    if (failed === undefined) throw new Error('not so many messages');
    const names = { device: () => '\\S+', netns: () => 'fd \\d+' };
    t.ok(error instanceof NetworkError, String(error));
    t.match(String(error), new RegExp(`${describeMessage(failed, names)}: ENODEV`));
    t.same(
      podLinks().filter(name => name === linkNames(uid).name),
      [],
      failed.kind,
    );
    t.equal(podRoutes(), '');
  }
  t.equal(openFds(), before);
});

t.test('a device that has the link’s name already stays as it is', { skip: needsRoot }, async t => {
  const uid = newUid();
  const { name } = linkNames(uid);
  ip('link', 'add', name, 'address', '02:00:00:00:00:77', 'type', 'veth', 'peer', 'other');
  const before = ip('-o', 'link', 'show', name);
  const error = await wired(new Meddler(() => undefined), uid);
  t.match(String(error), new RegExp(`Error: link add ${name} .*: EEXIST \\(File exists\\)`));
  t.equal(ip('-o', 'link', 'show', name), before);
  ip('link', 'del', name);
});

t.test('what a machine cannot do is said', { skip: needsRoot }, async t => {
  const refuse = (errno: number) =>
    new Meddler(({ kind }) => (kind === 'newVeth' ? { errno, words: 'Unknown device type' } : undefined));
  t.match(
    String(await wired(refuse(ERRNO.EOPNOTSUPP), newUid())),
    /link add ps.*: EOPNOTSUPP \(.*\): Unknown device type: this kernel has no veth devices; --network=none runs pods with just lo$/,
  );
  t.match(
    String(await wired(refuse(ERRNO.EPERM), newUid())),
    /link add ps.*: EPERM \(.*: CAP_NET_ADMIN is needed over this network namespace; --network=none runs pods with just lo$/,
  );
});

t.test('the kernel’s own words are in the error', { skip: needsRoot }, async t => {
  const socket = NetlinkSocket.open();
  const message: Message = { kind: 'newDefaultRoute', gateway: '224.0.0.1', index: 1 };
  const [reply] = await socket.exchange([message]);
  t.equal(reply?.errno, ERRNO.EINVAL);
  t.equal(reply?.words, 'Nexthop has invalid gateway');
  socket.close();
});

/** Far more than there are. */
const MAX_CALLS = 60;
const hasStrace = spawnSync('strace', ['-V']).status === 0;

t.test(
  'each call of a whole run that sends messages fails in turn',
  { skip: needsRoot || (hasStrace ? false : 'needs strace') },
  async t => {
    const pod = JSON.stringify(probePod({}, { args: ['exit', '0'] }));
    let when = 0;
    for (let isDone = false; !isDone && when < MAX_CALLS; when++) {
      const inject = ['-e', 'trace=sendto', '-e', `inject=sendto:error=ENOBUFS:when=${when + 1}`];
      const args = ['-f', '-qq', '-o', '/dev/null', ...inject, process.execPath, PODSPACE, 'run', '-'];
      // strace counts the calls of each thread.
      const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
      const options = { input: pod, encoding: 'utf8', timeout: 30_000, env } as const;
      const { stderr, status } = spawnSync('strace', args, options);
      isDone = status === 0;
      // What fails for another reason would go on doing so.
      if (!isDone && !t.match(stderr, /^error: .*sendto: ENOBUFS/m, `${when}`)) break;
      t.notMatch(stderr, /^ +at /m);
      t.same(leftovers(), [], `${when}`);
      t.same(await noPodLinks(), [], `${when}`);
      t.equal(podRoutes(), '');
    }
    t.ok(
      when > 6 && when < MAX_CALLS,
      'the way out, the address, the link, both of its ends, the end of the pod',
    );
    t.equal(podspace(['gc']).stdout, 'nothing to remove\n');
  },
);
