import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';

export const PODSPACE = resolve('dist/podspace.js');
export const isRoot = process.geteuid?.() === 0;
// Every pod changes the network that it is run in.
if (isRoot && readlinkSync('/proc/self/ns/net') !== process.env.PODSPACE_TEST_NODE)
  throw new Error('live tests need a network namespace of their own: node scripts/run-tests.mjs live');
/** For a test's options: a reason to skip it, or false. */
export const needsRoot = isRoot ? false : 'needs root';
/** It is on some machines only. */
export const KUBECTL = ['/usr/bin/kubectl', '/usr/local/bin/kubectl'].find(existsSync);
export const needsKubectl = KUBECTL === undefined ? 'needs kubectl' : needsRoot;
export const hasIPv6 = existsSync('/proc/net/if_inet6');
export const needsIPv6 = hasIPv6 ? needsRoot : 'needs IPv6';

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs podspace to its end. */
export function podspace(args: readonly string[], input = ''): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PODSPACE, ...args], {
    input,
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

export interface Result {
  readonly phase: string;
  readonly reason?: string;
  readonly message?: string;
  readonly containers: readonly {
    readonly name: string;
    readonly init: boolean;
    readonly reason: string;
    readonly message?: string;
    readonly exitCode?: number;
    readonly signal?: number;
    readonly restartCount: number;
    readonly startedAt?: string;
    readonly finishedAt?: string;
    readonly cpuMicroseconds: number;
    readonly maxRss: number;
    readonly stdout: string;
    readonly stderr: string;
  }[];
}

/** Runs a manifest and returns the result object. */
export function runPod(
  manifest: unknown,
  ...args: readonly string[]
): Result & { readonly status: number | null; readonly stderr: string } {
  const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
  const ran = podspace(['run', '-', '-o', 'json', ...args], text);
  if (!ran.stdout.startsWith('{')) throw new Error(`no result: ${ran.status} ${ran.stderr}`);
  return { ...(JSON.parse(ran.stdout) as Result), status: ran.status, stderr: ran.stderr };
}

/** The end of a script that stays until it is told to go; as process 1 it would not hear of TERM, and be killed after 2 s. */
export const STAY = 'echo ready; trap "exit 0" TERM; sleep 1000 & wait';

let serial = 0;

/** A pod with one container of the probe; `spec` and `container` are laid over it. */
export function probePod(
  spec: object = {},
  container: object = {},
): { metadata: { name: string } } & Record<string, unknown> {
  const name = `test-${process.pid}-${serial++}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { containers: [{ name: 'probe', image: 'localhost/probe', ...container }], ...spec },
  };
}

/** What the probe saw. */
export interface Report {
  readonly pid: number;
  readonly ppid: number;
  readonly sid: number;
  readonly pgid: number;
  readonly uid: readonly number[];
  readonly gid: readonly number[];
  readonly groups: readonly number[];
  readonly capInh: string;
  readonly capPrm: string;
  readonly capEff: string;
  readonly capBnd: string;
  readonly capAmb: string;
  readonly noNewPrivs: string;
  readonly seccomp: string;
  readonly sigBlk: string;
  readonly sigIgn: string;
  readonly umask: string;
  readonly cwd: string;
  readonly hostname: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly rlimits: Readonly<Record<string, readonly [number, number]>>;
  readonly fds: Readonly<Record<string, string>>;
  readonly namespaces: Readonly<Record<string, string>>;
  readonly mounts: readonly string[];
  readonly devices: Readonly<
    Record<
      string,
      { readonly type: string; readonly mode: string; readonly device?: string; readonly target?: string }
    >
  >;
  readonly processes: readonly (readonly [number, string])[];
  readonly interfaces: Readonly<Record<string, string>>;
  readonly rootWritable: boolean | number;
  readonly oomScoreAdj: number;
  readonly deathSignal: number;
  readonly cgroup: string;
}

/** Runs a probe pod and returns its report. */
export function probe(spec: object = {}, container: object = {}): Report {
  const result = runPod(probePod(spec, container));
  const [first] = result.containers;
  if (first?.exitCode !== 0) throw new Error(`the probe failed: ${JSON.stringify(result)}`);
  return JSON.parse(first.stdout) as Report;
}

/** What podspace could have left on the machine. */
export function leftovers(): readonly string[] {
  const found: string[] = [];
  if (existsSync('/run/podspace'))
    found.push(...readdirSync('/run/podspace', { recursive: true }).map(name => `/run/podspace/${name}`));
  if (existsSync('/var/lib/podspace/pods'))
    found.push(...readdirSync('/var/lib/podspace/pods').map(name => `/var/lib/podspace/pods/${name}`));
  for (const root of ['', ...readdirSync('/sys/fs/cgroup')])
    if (existsSync(`/sys/fs/cgroup/${root}/podspace`)) found.push(`/sys/fs/cgroup/${root}/podspace`);
  // The state directory itself may be a mount of the node that the tests run on.
  found.push(
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter(line => line.includes('podspace') && line.split(' ')[4] !== '/var/lib/podspace'),
  );
  const tables = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout ?? '';
  found.push(...tables.split('\n').filter(line => line.includes('podspace')));
  return found;
}

/** Starts podspace and gives what it prints; the caller ends it. */
export function start(
  args: readonly string[],
  input?: string,
): {
  readonly child: ReturnType<typeof spawn>;
  readonly output: () => string;
  waitFor(text: string): Promise<void>;
  readonly ended: Promise<number | null>;
} {
  const child = spawn(process.execPath, [PODSPACE, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', chunk => (text += chunk));
  child.stderr.on('data', chunk => (text += chunk));
  if (input !== undefined) child.stdin.end(input);
  const ended = new Promise<number | null>(done => child.on('close', done));
  const waitFor = async (wanted: string): Promise<void> => {
    for (let i = 0; i < 500 && !text.includes(wanted); i++) await new Promise(done => setTimeout(done, 20));
    if (!text.includes(wanted)) throw new Error(`"${wanted}" did not come: ${text}`);
  };
  return { child, output: () => text, waitFor, ended };
}
