import { SyscallError } from '../native/libc.ts';
import { NetworkError } from './errors.ts';
import { type Link, readLink } from './messages/links.ts';
import { describeMessage, type Message } from './messages/messages.ts';
import { linkNames, POD_DEVICE } from './names.ts';
import { mustSucceed, NetlinkError, type NetlinkSocket, type Reply } from './netlink-socket.ts';
import { type Node, setSysctls } from './node.ts';
import {
  configureNode,
  configurePod,
  createLink,
  endNames,
  nodeSysctls,
  type WiringPlan,
} from './pod-wiring.ts';

type Exchanger = Pick<NetlinkSocket, 'exchange'>;

export type End = 'node' | 'pod';

/** Some messages that were done together: in words, with their errnos. */
export interface Exchange {
  readonly end: End;
  readonly messages: readonly { readonly text: string; readonly errno: number }[];
  readonly microseconds: number;
}

export interface WireInput {
  readonly node: Omit<Node, 'socket'> & { readonly socket: Exchanger };
  /** A socket that was made in the pod's network namespace. */
  readonly pod: Exchanger;
  /** fd of that namespace. */
  readonly netns: number;
  readonly uid: string;
  /** At most one of each family. */
  readonly addresses: readonly string[];
  readonly onExchange?: (exchange: Exchange) => void;
}

export interface Wire {
  readonly link: Link;
  /** Takes the ways to the pod away. The link itself goes with the pod's namespace, which takes the kernel a while. */
  unwire(): Promise<void>;
}

/**
 * Gives a pod its network: a link from its namespace to the node's, addresses, routes, neighbours. Throws a
 * {@link NetworkError}, and leaves nothing then.
 */
export async function wirePod(input: WireInput): Promise<Wire> {
  try {
    return await makeWire(input);
  } catch (error) {
    if (error instanceof NetlinkError || error instanceof SyscallError)
      throw new NetworkError(`${error.message}${reasonOf(error)}`, { cause: error });
    throw error;
  }
}

async function makeWire(input: WireInput): Promise<Wire> {
  const { node, netns, uid, addresses } = input;
  const plan: WiringPlan = { uid, addresses, mtu: node.mtu, hasIPv6: node.hasIPv6 };
  const { name } = linkNames(uid);
  const create = createLink(plan, netns);
  const replies = await exchange(input, 'node', create);
  // If somebody else's device has that name, the second tells of it.
  mustSucceed(create.slice(0, 1), replies, namesAt(input, 'node'));
  const remove = (): Promise<unknown> => exchange(input, 'node', [{ kind: 'deleteLink', link: name }]);
  try {
    mustSucceed(create, replies, namesAt(input, 'node'));
    const link = readLink(replies[1]?.data[0] ?? new Uint8Array());
    setSysctls(nodeSysctls(plan));
    await all([
      send(input, 'node', configureNode(plan, link.index)),
      send(input, 'pod', configurePod(plan, link.peer)),
    ]);
    await untilRunning(input, link);
    const routes = addresses.map(
      destination => ({ kind: 'deleteHostRoute', destination, index: link.index }) as const,
    );
    return { link, unwire: () => removeRoutes(input, routes) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function exchange(input: WireInput, end: End, messages: readonly Message[]): Promise<readonly Reply[]> {
  const start = process.hrtime.bigint();
  const replies = await (end === 'node' ? input.node.socket : input.pod).exchange(messages);
  if (input.onExchange !== undefined) {
    const microseconds = Number(process.hrtime.bigint() - start) / 1000;
    const described = messages.map((message, i) => ({
      text: describeMessage(message, namesAt(input, end)),
      errno: replies[i]?.errno ?? 0,
    }));
    input.onExchange({ end, messages: described, microseconds });
  }
  return replies;
}

const namesAt = ({ uid, netns }: WireInput, end: End): ReturnType<typeof endNames> =>
  endNames(end === 'node' ? linkNames(uid).name : POD_DEVICE, `fd ${netns}`);

async function send(input: WireInput, end: End, messages: readonly Message[]): Promise<void> {
  mustSucceed(messages, await exchange(input, end, messages), namesAt(input, end));
}

/** Both ends at once: the kernel does one after the other, but nobody waits twice. The first failure is thrown, at the end. */
async function all(ends: readonly Promise<void>[]): Promise<void> {
  for (const end of await Promise.allSettled(ends)) if (end.status === 'rejected') throw end.reason;
}

/** Milliseconds. */
const POLL = 1;
const MAX_WAIT = 5000;

/**
 * The end that is up first has nobody to speak to; the kernel takes note of the other one by itself, a moment later, and drops
 * what is sent until then. To ask for the node's end makes it see at once.
 */
async function untilRunning(input: WireInput, link: Link): Promise<void> {
  const question: readonly Message[] = [{ kind: 'getLink', link: link.index }];
  for (const start = performance.now(); ; ) {
    const replies = await exchange(input, 'node', question);
    mustSucceed(question, replies, namesAt(input, 'node'));
    if (replies.some(({ data }) => data.some(body => readLink(body).isRunning))) return;
    if (performance.now() - start > MAX_WAIT) throw new NetworkError(`${link.name} does not come up`);
    await new Promise(done => setTimeout(done, POLL));
  }
}

/** Who is gone already need not be removed: the pod's namespace, or the route, may have ended on their own. */
const GONE = ['ESRCH', 'ENODEV'];

async function removeRoutes(input: WireInput, routes: readonly Message[]): Promise<void> {
  const replies = await exchange(input, 'node', routes);
  try {
    mustSucceed(routes, replies, namesAt(input, 'node'));
  } catch (error) {
    if (!(error instanceof NetlinkError) || !GONE.includes(error.code)) throw error;
  }
}

/** Removes the link of a pod, by its uid, if there is one. What the kernel does of its own when the pod's namespace ends. */
export async function removeLink({ socket }: Pick<Node, 'socket'>, uid: string): Promise<void> {
  const messages: readonly Message[] = [{ kind: 'deleteLink', link: linkNames(uid).name }];
  const [reply] = await socket.exchange(messages);
  if (reply === undefined || reply.errno === 0) return;
  const error = new NetlinkError(messages[0] as Message, reply);
  if (!GONE.includes(error.code)) throw error;
}

const WITHOUT = '--network=none runs pods with just lo';

/** What an errno means here, and what can be done. */
function reasonOf(error: NetlinkError | SyscallError): string {
  const isCreation = error instanceof NetlinkError && error.request.kind === 'newVeth';
  if (error.code === 'EPERM') return `: CAP_NET_ADMIN is needed over this network namespace; ${WITHOUT}`;
  if (isCreation && error.code === 'EOPNOTSUPP') return `: this kernel has no veth devices; ${WITHOUT}`;
  return '';
}
