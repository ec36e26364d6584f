import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RESOURCES } from '../../src/admission/rbac/resources.ts';
import { AgentClient } from '../../src/agent/client.ts';
import type { ApiObject } from '../../src/agent/objects.ts';
import { agentLock, agentSocket, isAnswering } from '../../src/agent/start.ts';
import { ImageStore } from '../../src/image/store.ts';
import type { ContainerStatus, Pod, PodSpec, PodStatus } from '../../src/kube/types.generated.ts';
import { DEFAULT_ROOTS, type Roots, rootsAt } from '../../src/oci/pod-paths.ts';
import { isLocked } from '../../src/runtime/lock-file.ts';
import { PODSPACE, podspace, type Ran } from './harness.ts';
import { podLinks } from './node.ts';

export const typeOf = (kind: string) => {
  const type = RESOURCES.find(each => each.kind === kind);
  if (type === undefined) throw new Error(`no kind ${kind}`);
  return type;
};

type Test = typeof import('tap').default;

/** An agent with roots of its own, which tests may kill. */
export class TestAgent {
  readonly root: string;
  readonly roots: Roots;
  readonly client: AgentClient;
  #child: ChildProcess | undefined;
  #said = '';

  /** Below that directory; images are those of the machine that the tests run on. */
  constructor(root = mkdtempSync('/var/lib/podspace-agent-')) {
    this.root = root;
    this.roots = rootsAt(root);
    this.client = new AgentClient(agentSocket(this.roots));
    const store = new ImageStore(DEFAULT_ROOTS.state);
    const image = store.get('localhost/busybox');
    if (image === undefined) throw new Error('no busybox image');
    const rootfs = join(DEFAULT_ROOTS.state, store.layers(image)[0] ?? '');
    const { status, stderr } = this.command(['image', 'import', 'localhost/busybox', rootfs]);
    if (status !== 0) throw new Error(stderr);
  }

  /** What the agent has logged. */
  get said(): string {
    return this.#said;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  command(args: readonly string[], input = ''): Ran {
    return podspace(['--root', this.root, ...args], input);
  }

  /** `program`: another podspace than the one that is tested. */
  async start(args: readonly string[] = [], program = PODSPACE): Promise<void> {
    const child = spawn(process.execPath, [...args, program, '--root', this.root, 'agent', '--foreground'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (this.#said += chunk));
    this.#child = child;
    for (let i = 0; !(await isAnswering(agentSocket(this.roots))); i++) {
      if (i > 1500 || child.exitCode !== null) throw new Error(`the agent does not answer: ${this.#said}`);
      await delay(10);
    }
  }

  /** It does not answer yet. */
  begin(): void {
    void this.start().catch(() => {});
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise(done => child.on('exit', done));
    child.kill(signal);
    await ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  create(name: string, spec: object, kind = 'Pod', more: object = {}): Promise<ApiObject> {
    const { apiVersion = 'v1' } = more as { apiVersion?: string };
    const object = { apiVersion, kind, metadata: { name }, ...(kind === 'Pod' ? { spec } : spec), ...more };
    return this.client.create(typeOf(kind), 'default', object);
  }

  async pods(): Promise<readonly (Pod & { status: PodStatus })[]> {
    const { items } = await this.client.list(typeOf('Pod'), undefined);
    return items as unknown as (Pod & { status: PodStatus })[];
  }

  async pod(name: string): Promise<Pod & { status: PodStatus }> {
    const pod = await this.client.get(typeOf('Pod'), 'default', name);
    return pod as unknown as Pod & { status: PodStatus };
  }

  async events(name: string): Promise<readonly string[]> {
    const { items } = await this.client.list(typeOf('Event'), 'default');
    return items
      .map(each => each as unknown as { involvedObject: { name: string }; reason: string; message: string })
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ reason, message }) => `${reason}: ${message}`);
  }

  /** Waits for a pod to be as it should. */
  async until(
    name: string,
    isSo: (status: PodStatus) => unknown,
    seconds = 15,
  ): Promise<Pod & { status: PodStatus }> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const pod = await this.pod(name);
      if (pod.status !== undefined && isSo(pod.status)) return pod;
      if (Date.now() > end) throw new Error(`${name}: ${JSON.stringify(pod.status)}\n${this.#said}`);
      await delay(20);
    }
  }

  delete(name: string, gracePeriodSeconds?: number): Promise<ApiObject> {
    const options = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
    return this.client.delete(typeOf('Pod'), 'default', name, options);
  }

  async untilGone(name: string, seconds = 15): Promise<void> {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await delay(20))
      if ((await this.pods()).every(({ metadata }) => metadata?.name !== name)) return;
    throw new Error(`${name} is still there\n${this.#said}`);
  }

  /** Deletes all pods, and waits until they have gone. */
  async clear(gracePeriodSeconds = 0, seconds = 30): Promise<void> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const pods = await this.pods();
      if (pods.length === 0) return;
      for (const { metadata } of pods)
        if (metadata?.deletionTimestamp === undefined)
          await this.delete(metadata?.name ?? '', gracePeriodSeconds);
      if (Date.now() > end) throw new Error(`pods do not end: ${JSON.stringify(pods)}\n${this.#said}`);
      await delay(50);
    }
  }

  /** Ends the agent, and removes its files. */
  async remove(): Promise<void> {
    await this.kill('SIGTERM');
    rmSync(this.root, { recursive: true, force: true });
  }

  /** The lines of a container's log, all files of all attempts that there are. */
  log({ metadata }: Pod, container: string): readonly string[] {
    const { namespace, name, uid } = metadata ?? {};
    const directory = join(this.root, 'logs', `${namespace}_${name}_${uid}`, container);
    if (!existsSync(directory)) return [];
    return readdirSync(directory)
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
      .flatMap(file => readFileSync(join(directory, file), 'utf8').split('\n').slice(0, -1));
  }

  /** The processes of its shims. */
  shims(): readonly number[] {
    return readdirSync(join(this.roots.run, 'pods')).flatMap(uid => {
      const pid = shimOf(this.roots, uid);
      return pid === undefined ? [] : [pid];
    });
  }

  /** What the machine's end does to what is left of a pod. */
  endAll(uid: string): void {
    for (const hierarchy of entries('/sys/fs/cgroup')) killCgroup(join(hierarchy, 'podspace', uid));
  }

  /** What it has left behind when it has no pods any more. */
  async left(): Promise<readonly string[]> {
    const find = (): string[] => [
      ...['pods', 'names'].flatMap(directory => entries(join(this.roots.run, directory))),
      ...entries(join(this.roots.state, 'pods')),
      ...entries(join(this.roots.state, 'logs')),
      ...entries(join(this.roots.state, 'agent', 'status')),
      ...entries('/sys/fs/cgroup').flatMap(path => entries(join(path, 'podspace'))),
      ...podLinks(),
      ...shimProcesses(),
      ...readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter(line => line.includes(this.root)),
    ];
    for (let i = 0; i < 600 && find().length > 0; i++) await delay(50);
    return find();
  }
}

/** An agent that runs until the test is over. */
export async function agentFor(t: Pick<Test, 'teardown'>): Promise<TestAgent> {
  const agent = new TestAgent();
  t.teardown(() => agent.remove());
  await agent.start();
  return agent;
}

export function shimOf({ run }: Roots, uid: string): number | undefined {
  try {
    return JSON.parse(readFileSync(join(run, 'pods', uid, 'detached.json'), 'utf8')).shim.pid;
  } catch {
    return undefined;
  }
}

export const isAgentLocked = (roots: Roots): boolean => isLocked(agentLock(roots));

export const container = ({ containerStatuses = [], initContainerStatuses = [] }: PodStatus, name: string) =>
  [...containerStatuses, ...initContainerStatuses].find(each => each.name === name) as
    | ContainerStatus
    | undefined;

/** A pod whose containers are scripts. */
export function scripts(all: Readonly<Record<string, string | object>>, spec: object = {}): PodSpec {
  const containers = Object.entries(all).map(([name, what]) => ({
    name,
    image: 'localhost/busybox',
    ...(typeof what === 'string' ? { command: ['sh', '-c', what] } : what),
  }));
  return { terminationGracePeriodSeconds: 1, ...spec, containers };
}

const entries = (path: string): readonly string[] =>
  existsSync(path) ? readdirSync(path).map(name => join(path, name)) : [];

function killCgroup(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) killCgroup(join(path, entry.name));
  for (const pid of readFileSync(join(path, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has just gone.
    }
  }
}

/** Shims of this network namespace: those of other nodes are not ours. */
function shimProcesses(): readonly string[] {
  const own = readlinkSync('/proc/self/ns/net');
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(pid => {
      try {
        const isShim = readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/pod\0');
        return isShim && readlinkSync(`/proc/${pid}/ns/net`) === own ? [`shim ${pid}`] : [];
      } catch {
        return [];
      }
    });
}
