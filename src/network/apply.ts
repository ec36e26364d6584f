import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalAddress } from '../base/addresses.ts';
import { errnoCode, UserError } from '../base/errors.ts';
import { sha256 } from '../base/sha256.ts';
import { LOCK } from '../linux/constants.generated.ts';
import { describeErrno } from '../linux/errno.ts';
import { flock, syscallInThread } from '../native/libc.ts';
import {
  deleteFlow,
  deleteTable,
  getChain,
  getFlows,
  getGeneration,
  readFlow,
  readGeneration,
} from './netfilter.ts';
import { type NetfilterSocket, netfilterSocket } from './netfilter-socket.ts';
import { TABLE } from './nft.ts';
import { runNft } from './nft-run.ts';
import { difference } from './rules-diff.ts';
import { fileMemory, type KnownRules, ownMemory, type RulesMemory } from './rules-memory.ts';
import { ruleset } from './ruleset.ts';
import { AFFINITY_PREFIX } from './service-rules.ts';
import { describeTargets, isStale, udpTargets } from './stale-flows.ts';
import { canonicalState, type NodeState } from './state.ts';

export type RulesUpdate = 'changed' | 'unchanged';

/** Updates that have not begun yet, by what they would apply. */
const waiting = new WeakMap<() => NodeState, Promise<RulesUpdate>>();
/** The last update of each directory: of one process only one waits for the lock. */
const last = new Map<string, Promise<unknown>>();

/**
 * Brings the node's rules to what its state asks for; the table goes when nothing is left. `readState` is called under the
 * lock, when all others that changed something before have had their turn; whoever asks with the same function meanwhile is
 * served by the same update. Only the table `inet podspace` is ever touched, in the network namespace of the main thread.
 * Throws a UserError if nftables cannot do it: then the rules are as they were.
 */
export function updateRules(directory: string, readState: () => NodeState): Promise<RulesUpdate> {
  const found = waiting.get(readState);
  if (found !== undefined) return found;
  const before = last.get(directory) ?? Promise.resolve();
  const update = before.then(() =>
    underLock(directory, () => {
      waiting.delete(readState);
      return applyState(readState(), { memory: fileMemory(join(directory, RULES_FILE)) });
    }),
  );
  waiting.set(readState, update);
  const ended = update.catch(() => {
    // It did not even get the lock.
    if (waiting.get(readState) === update) waiting.delete(readState);
  });
  last.set(directory, ended);
  return update;
}

async function underLock<T>(directory: string, action: () => T): Promise<T> {
  const path = join(directory, RULES_LOCK);
  for (;;) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fd = openSync(path, 'a', 0o600);
    try {
      // Nobody has it, as a rule: then there is nothing to wait for in a thread.
      if (!flock(fd, LOCK.LOCK_EX | LOCK.LOCK_NB)) await syscallInThread('flock', [fd, LOCK.LOCK_EX]);
      // Whoever ended as the last one may have removed the file meanwhile: then this lock guards nothing.
      if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return action();
    } finally {
      closeSync(fd);
    }
  }
}

/** Held while rules are changed; a file of the directory that is given to {@link updateRules}. */
export const RULES_LOCK = 'rules.lock';
/** What is in force; another file of it. */
export const RULES_FILE = 'rules.nft';

/** How to speak to the kernel, and where it is written down what was said. */
export interface ApplyOptions {
  readonly open?: () => NetfilterSocket;
  readonly memory?: RulesMemory;
}

const thisProcess = ownMemory();

/**
 * Applies a state, without a lock. What is in force is written in the table itself, as the names of two chains without
 * rules: so nothing has to be believed about a file, and a table that somebody else removed is made again. Where nobody has
 * changed any rule since the last time, only what differs is said to the kernel.
 */
export function applyState(
  given: NodeState,
  { open = netfilterSocket, memory = thisProcess }: ApplyOptions = {},
): RulesUpdate {
  const state = canonicalState(given);
  const text = ruleset(state);
  const targets = udpTargets(state);
  const inForce = marker('text', text);
  const leadTo = describeTargets(targets);
  const leads = marker('udp', leadTo);
  const socket = opened(open);
  const hasChain = (name: string): boolean => socket.request(getChain('podspace', name)).errno === 0;
  const isThere = hasChain(TABLE_MARKER);
  if (text === '' ? !isThere : hasChain(inForce)) return 'unchanged';
  // Looking through all flows takes the kernel ten milliseconds, even if there are none.
  const leadsElsewhere = isThere ? !hasChain(leads) : leadTo !== '';
  // The last pod that ends has nothing to wait for: nftables would first ask for all that there is.
  if (text === '') {
    throwIfFailed(socket.request(deleteTable('podspace')).errno);
    memory.write(undefined);
  } else {
    const rules = { inForce, leads, text };
    const generation = generationOf(socket);
    const known = memory.read();
    const isLatest = known?.generation === generation && hasChain(known.inForce);
    if (known === undefined || !isLatest || !changeTable(known, rules)) makeTable(rules, isThere);
    // Else somebody came between: the rules of other tables are nobody's business, but who knows which these were.
    const isNext = generationOf(socket) === generation + 1;
    memory.write(isNext ? { generation: generation + 1, ...rules } : undefined);
  }
  if (leadsElsewhere) forgetStaleFlows(socket, state, targets);
  return 'changed';
}

function generationOf(socket: NetfilterSocket): number {
  const [message] = socket.request(getGeneration()).messages;
  return (message === undefined ? undefined : readGeneration(message)) ?? -1;
}

type Rules = Pick<KnownRules, 'inForce' | 'leads' | 'text'>;

/** False if that cannot be done: then nothing was. */
function changeTable(from: KnownRules, to: Rules): boolean {
  const commands = difference(from.text, to.text);
  if (commands === undefined) return false;
  const markers = (['inForce', 'leads'] as const).filter(each => from[each] !== to[each]);
  const lines = markers.flatMap(each => [
    `delete chain ${TABLE} ${from[each]}`,
    `add chain ${TABLE} ${to[each]}`,
  ]);
  try {
    runNft([commands, ...lines, ''].join('\n'));
    return true;
  } catch (error) {
    // The whole table says what is wrong, if it is not the difference.
    if (error instanceof UserError) return false;
    throw error;
  }
}

function makeTable({ inForce, leads, text }: Rules, isThere: boolean): void {
  const markers = [TABLE_MARKER, inForce, leads].map(name => `add chain ${TABLE} ${name}`);
  runNft([text.trimEnd(), ...markers, ...(isThere ? rememberedClients(text) : []), ''].join('\n'));
}

/** A kernel without netfilter has no such sockets, and no rules. */
function opened(open: () => NetfilterSocket): NetfilterSocket {
  try {
    return open();
  } catch (cause) {
    if (!['EPROTONOSUPPORT', 'EAFNOSUPPORT'].includes(errnoCode(cause) ?? '')) throw cause;
    throw new UserError('nftables: this kernel has no netfilter', {
      cause,
      hint: 'does the kernel have nf_tables, nft_nat and nft_fib?',
    });
  }
}

function throwIfFailed(errno: number): void {
  if (errno !== 0)
    throw new UserError(`nftables: the table podspace cannot be removed: ${describeErrno(errno)}`);
}

const TABLE_MARKER = 'made-by-podspace';

function marker(what: string, content: string): string {
  return `${what}-${sha256(content).slice(0, 32)}`;
}

/** The clients of Services with sessionAffinity, with the time that each has left, for the sets that go on. */
function rememberedClients(text: string): readonly string[] {
  const names = [...text.matchAll(new RegExp(`^ *set (${AFFINITY_PREFIX}-\\w+) `, 'gm'))];
  return names.flatMap(([, name = '']) => {
    let listing: string;
    try {
      listing = runNft(`list set ${TABLE} ${name}\n`);
    } catch {
      // A new one.
      return [];
    }
    const elements = /elements = \{([^}]*)\}/.exec(listing)?.[1]?.trim();
    return elements === undefined
      ? []
      : [`add element ${TABLE} ${name} { ${elements.replace(/\s+/g, ' ')} }`];
  });
}

/** See {@link udpTargets}. */
function forgetStaleFlows(
  socket: NetfilterSocket,
  state: NodeState,
  targets: ReturnType<typeof udpTargets>,
): void {
  const { networkInterfaces } = process.getBuiltinModule('node:os');
  const addresses = Object.values(networkInterfaces()).flatMap(all =>
    (all ?? []).map(({ address }) => address),
  );
  const local = new Set(addresses.map(address => canonicalAddress(address.replace(/%.*/, ''))));
  const isLocal = (address: string): boolean => address.startsWith('127.') || local.has(address);
  for (const message of socket.request(getFlows()).messages) {
    const flow = readFlow(message);
    // One that has ended meanwhile is forgotten as well.
    if (flow !== undefined && isStale(flow, targets, state, isLocal)) socket.request(deleteFlow(flow));
  }
}
