import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { familyOf } from '../../../src/base/addresses.ts';
import { CLONE } from '../../../src/linux/constants.generated.ts';
import { syscall } from '../../../src/native/libc.ts';
import type { NetworkPod, Protocol } from '../../../src/network/state.ts';

/** A question for an agent: what it asks of whom, and how long it waits. */
export interface Question {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  readonly timeout?: number;
  /** Where it asks from; one of its own otherwise. */
  readonly source?: number;
}

/** `ok` with who answered and whom that saw, or what went wrong: `timeout`, or an errno's name. */
export type Answer =
  | { readonly kind: 'ok'; readonly name: string; readonly client: string }
  | { readonly kind: string };

export const isOk = (answer: Answer): answer is Extract<Answer, { name: string }> => answer.kind === 'ok';

const TIMEOUT = 200;

/** A process that answers and asks, in the network namespace that it was started in. */
export class Agent {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #open = new Map<string, (answer: Answer) => void>();
  readonly ready: Promise<void>;
  #serial = 0;

  constructor(program: string, name: string, ports: readonly number[], isOwnNetwork: boolean) {
    const command = [program, name, ...ports.map(String)];
    const [file = '', ...args] = isOwnNetwork ? ['unshare', '-n', ...command] : command;
    this.#process = spawn(file, args);
    this.#process.stderr.pipe(process.stderr);
    const lines = createInterface({ input: this.#process.stdout });
    this.ready = new Promise((resolve, reject) => {
      this.#process.once('exit', code => reject(new Error(`agent ${name} ended with ${code}`)));
      lines.on('line', line => {
        if (line === 'ready') resolve();
        const [id = '', kind = '', who = '', client = ''] = line.split(' ');
        this.#open.get(id)?.(kind === 'ok' ? { kind: 'ok', name: who, client } : { kind });
        this.#open.delete(id);
      });
    });
    this.ready.catch(() => {});
  }

  /** unshare(1) has become the agent itself. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  ask(questions: readonly Question[]): Promise<readonly Answer[]> {
    const lines: string[] = [];
    const answers = questions.map(({ protocol, address, port, timeout = TIMEOUT, source = 0 }) => {
      const id = `q${this.#serial++}`;
      lines.push(`${id} ${protocol.toLowerCase()} ${address} ${port} ${timeout} ${source}\n`);
      return new Promise<Answer>(resolve => this.#open.set(id, resolve));
    });
    this.#process.stdin.write(lines.join(''));
    return Promise.all(answers);
  }

  end(): void {
    this.#process.removeAllListeners('exit');
    this.#process.stdin.end();
  }
}

/** Runs ip(8) with many commands, in this thread's network namespace or in a process's. */
export function ip(commands: readonly string[], pid?: number): void {
  const [file, args] = pid === undefined ? ['ip', []] : ['nsenter', ['-t', String(pid), '-n', 'ip']];
  const { status, stderr } = spawnSync(file, [...args, '-batch', '-'], {
    input: commands.join('\n'),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`ip: ${stderr}`);
}

/** What nft(8) prints. */
export function nft(commands: string): string {
  const { status, stdout, stderr } = spawnSync('nft', ['-f', '-'], { input: commands, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft: ${stderr}`);
  return stdout;
}

/** net.* settings are those of the network namespace of whoever opens them. */
function sysctl(name: string, value: string): void {
  writeFileSync(`/proc/sys/net/${name}`, value);
}

/**
 * A node of its own: this very process moves into a new network namespace (so it must be the only one that lives in this
 * process), and everything that it starts lives there, too, or in namespaces beside it. The machine's own is never touched.
 */
export class Lab {
  readonly agents = new Map<string, Agent>();
  readonly #directory = mkdtempSync(join(tmpdir(), 'podspace-lab-'));
  readonly #program = join(this.#directory, 'agent');

  constructor() {
    const source = join(import.meta.dirname ?? '', '../../test/live/network/agent.c');
    const { status, stderr } = spawnSync('cc', ['-O2', '-o', this.#program, source], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    syscall('unshare', [CLONE.CLONE_NEWNET]);
    ip(['link set lo up']);
    sysctl('ipv4/ip_forward', '1');
    sysctl('ipv6/conf/all/forwarding', '1');
  }

  /** The node's own processes, and hostNetwork pods. */
  async node(name: string, ports: readonly number[]): Promise<Agent> {
    return this.#start(name, ports, false);
  }

  /** A host outside, linked to the node by a network with each prefix: the node is .1 (or ::1), the host .2 (or ::2). */
  async outside(name: string, prefixes: readonly string[], ports: readonly number[]): Promise<Agent> {
    const agent = await this.#start(name, ports, true);
    const at = (last: number): readonly string[] =>
      prefixes.map(prefix => (prefix.includes(':') ? `${prefix}::${last}/64` : `${prefix}.${last}/24`));
    ip([
      `link add ${name} type veth peer name eth0 netns ${agent.pid}`,
      ...at(1).map(address => `addr add ${address} dev ${name} nodad`),
      `link set ${name} up`,
    ]);
    ip(
      [
        'link set lo up',
        ...at(2).map(address => `addr add ${address} dev eth0 nodad`),
        'link set eth0 up',
        ...at(1).map(address => `route add default via ${address.replace(/\/.*/, '')} dev eth0`),
      ],
      agent.pid,
    );
    return agent;
  }

  /** A pod's network: routed, with a link of its own. */
  async pod({ namespace, name, uid, ips }: NetworkPod, ports: readonly number[]): Promise<Agent> {
    const agent = await this.#start(`${namespace}/${name}`, ports, true);
    this.wire(agent.pid, uid, ips);
    return agent;
  }

  wire(pid: number, uid: string, ips: readonly string[]): void {
    const digits = uid.replaceAll('-', '');
    const link = `ps${digits.slice(0, 11)}`;
    const tail = (digits.slice(-10).match(/../g) ?? []).join(':');
    const [nodeMac, podMac] = [`02:${tail}`, `06:${tail}`];
    const gateway = (address: string): string => (familyOf(address) === 'IPv4' ? '169.254.1.1' : 'fe80::1');
    const length = (address: string): number => (familyOf(address) === 'IPv4' ? 32 : 128);
    ip([
      `link add ${link} address ${nodeMac} type veth peer name eth0 address ${podMac} netns ${pid}`,
      `link set ${link} up`,
      ...ips.map(address => `route add ${address}/${length(address)} dev ${link} scope link`),
      ...ips.map(address => `neigh add ${address} lladdr ${podMac} dev ${link} nud permanent`),
    ]);
    sysctl(`ipv4/conf/${link}/route_localnet`, '1');
    sysctl(`ipv4/conf/${link}/rp_filter`, '0');
    ip(
      [
        'link set lo up',
        'link set eth0 up',
        ...ips.flatMap(address => [
          `addr add ${address}/${length(address)} dev eth0 nodad`,
          `route add default via ${gateway(address)} dev eth0 onlink`,
          `neigh add ${gateway(address)} lladdr ${nodeMac} dev eth0 nud permanent`,
        ]),
      ],
      pid,
    );
  }

  /** Nanoseconds that a question by UDP takes from a process's network: each of one flow, or of a new one. */
  ping(pid: number, address: string, port: number, flow: 'same' | 'new', count = 200): number {
    const command = [this.#program, 'ping', address, String(port), String(count), flow];
    const { status, stdout, stderr } = spawnSync('nsenter', ['-t', String(pid), '-n', ...command], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`ping ${address}: ${status} ${stderr}`);
    return Number(stdout);
  }

  /** A net.* setting in the network namespace of a process. */
  setting(pid: number, name: string, value: string): void {
    const { status } = spawnSync('nsenter', ['-t', String(pid), '-n', 'tee', `/proc/sys/net/${name}`], {
      input: value,
    });
    if (status !== 0) throw new Error(`cannot set ${name}`);
  }

  async #start(name: string, ports: readonly number[], isOwnNetwork: boolean): Promise<Agent> {
    const agent = new Agent(this.#program, name, ports, isOwnNetwork);
    this.agents.set(name, agent);
    await agent.ready;
    return agent;
  }

  end(): void {
    for (const agent of this.agents.values()) agent.end();
    rmSync(this.#directory, { recursive: true });
  }
}
