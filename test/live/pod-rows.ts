import { setTimeout as delay } from 'node:timers/promises';
import { podSummary } from '../../src/agent/print/pod-row.ts';
import type { Pod, PodSpec, PodStatus } from '../../src/kube/types.generated.ts';
import { container, type TestAgent, typeOf } from './agent.ts';
import { start } from './harness.ts';

type Test = Pick<typeof import('tap').default, 'test'>;
export type Seen = Pod & { readonly status: PodStatus };

/** What becomes of one pod. */
export interface Row {
  /** Where others speak of it. */
  readonly name?: string;
  /** It is made when the one of that name has shown all that it shows. */
  readonly after?: string;
  readonly spec: PodSpec;
  /** READY, STATUS and RESTARTS as `get pods` prints them, in this order; there may be others between. */
  readonly shows: readonly string[];
  /** What is done when it has shown that much, and what it shows then. */
  readonly next?: {
    readonly deed: (agent: TestAgent, name: string) => Promise<unknown>;
    readonly shows: readonly string[];
  };
  readonly phase: PodStatus['phase'];
  /** What its status has at the last of these moments, the containers and conditions by name. */
  readonly status?: object;
  /** Reasons and messages of all that was told of it, in any order. */
  readonly events: readonly string[];
}

export const POD = typeOf('Pod');

/** Seconds that a pod of a busy machine may take. */
const PATIENCE = 90;
/** Milliseconds between two looks. */
const PAUSE = 20;

/** Undefined if it does not come. */
export async function soon<T>(what: () => T | undefined | Promise<T | undefined>): Promise<T | undefined> {
  const end = Date.now() + PATIENCE * 1000;
  for (;;) {
    const found = await what();
    if (found !== undefined || Date.now() > end) return found;
    await delay(PAUSE);
  }
}

/** How many of them it takes to have the wanted ones in their order; undefined if they are not there. */
function reach(all: readonly string[], wanted: readonly string[]): number | undefined {
  let at = 0;
  for (const each of wanted) {
    at = all.indexOf(each, at) + 1;
    if (at === 0) return undefined;
  }
  return at;
}

function shownBy(pod: Pod): string {
  const { ready, total, reason, restarts } = podSummary(pod);
  return `${ready}/${total} ${reason} ${restarts}`;
}

/** Sees every state of every pod of an agent, also those that do not last, and what `get pods -w` prints of them. */
export class PodWatcher {
  readonly #versions = new Map<string, Seen[]>();
  readonly #ended = new AbortController();
  readonly #printing: ReturnType<typeof start>;

  private constructor(agent: TestAgent) {
    this.#printing = start(['--root', agent.root, 'get', 'pods', '-w']);
    const watching = async (): Promise<void> => {
      for await (const { object } of agent.client.watch(POD, 'default', {}, this.#ended.signal)) {
        const pod = object as unknown as Seen;
        this.#versions.set(pod.metadata?.name ?? '', [...this.versions(pod.metadata?.name ?? ''), pod]);
      }
    };
    watching().catch(() => {});
  }

  /** Of an agent without pods; both watches see the first one. */
  static async start(agent: TestAgent): Promise<PodWatcher> {
    const watcher = new PodWatcher(agent);
    await agent.create('first', { containers: [{ name: 'c', image: 'No:Such' }] });
    const isSeen = (): true | undefined =>
      watcher.printed('first').length > 0 && watcher.versions('first').length > 0 ? true : undefined;
    if ((await soon(isSeen)) === undefined) throw new Error('nothing is seen of a pod');
    return watcher;
  }

  versions(name: string): readonly Seen[] {
    return this.#versions.get(name) ?? [];
  }

  /** Lines as a row has them. */
  printed(name: string): readonly string[] {
    const lines = this.#printing
      .output()
      .matchAll(/^(\S+) +(\d+\/\d+) +(\S+) +(\d+)(?: \(\S+ ago\))? +\S+ *$/gm);
    return [...lines].filter(([, of]) => of === name).map(([, , ...words]) => words.slice(0, 3).join(' '));
  }

  /** The pod at the moment when it had shown all of that, and was in that phase. */
  async shown(name: string, shows: readonly string[], phase?: PodStatus['phase']): Promise<Seen> {
    const find = (): Seen | undefined => {
      const versions = this.versions(name);
      const at = reach(versions.map(shownBy), shows) ?? versions.length + 1;
      const isIt = (pod: Seen): boolean =>
        shownBy(pod) === shows.at(-1) && (phase === undefined || pod.status.phase === phase);
      return versions.slice(at - 1).find(isIt);
    };
    const found = await soon(find);
    if (found !== undefined) return found;
    const shown = this.versions(name).map(shownBy).join(', ');
    const status = JSON.stringify(this.versions(name).at(-1)?.status);
    throw new Error(`${name} was to show ${shows.join(', ')} (${phase}), and has shown ${shown}: ${status}`);
  }

  /** Whether that was printed, too. */
  async wasPrinted(name: string, shows: readonly string[]): Promise<boolean> {
    return (await soon(() => reach(this.printed(name), shows))) !== undefined;
  }

  end(): void {
    this.#ended.abort();
    this.#printing.child.kill();
  }
}

/** A text without what is another one each time. */
function plain(text: string, { metadata, spec, status }: Seen): string {
  const names = [
    [metadata?.uid, 'UID'],
    [status?.podIP, 'IP'],
    [metadata?.name, 'NAME'],
  ] as const;
  return names
    .reduce((said, [from, to]) => (from === undefined ? said : said.replaceAll(from, to)), text)
    .replace(` to ${spec?.nodeName}`, ' to NODE');
}

/** Until that was told of a pod. */
export async function untilTold(agent: TestAgent, name: string, reason: string): Promise<void> {
  const isTold = async () =>
    (await agent.events(name)).some(event => event.startsWith(`${reason}: `)) ? true : undefined;
  if ((await soon(isTold)) === undefined) throw new Error(`${name}: nothing was told of ${reason}`);
}

const keyed = (all: readonly object[] = [], key: string): object =>
  Object.fromEntries(all.map(each => [(each as Record<string, string>)[key], each]));

/** A status whose containers and conditions stand at their names. */
function byName(pod: Seen): object {
  const { containerStatuses, initContainerStatuses, conditions, ...rest } = JSON.parse(
    plain(JSON.stringify(pod.status), pod),
  );
  return {
    ...rest,
    ...keyed(conditions, 'type'),
    ...keyed(initContainerStatuses, 'name'),
    ...keyed(containerStatuses, 'name'),
  };
}

interface Made {
  readonly name: string;
  readonly row: Row;
}

async function observe(agent: TestAgent, watcher: PodWatcher, { name, row }: Made, first: Made | undefined) {
  const { next, spec } = row;
  const shows = [...row.shows, ...(next?.shows ?? [])];
  if (first !== undefined) await watcher.shown(first.name, first.row.shows);
  await agent.create(name, spec);
  if (next !== undefined) {
    await watcher.shown(name, row.shows);
    await next.deed(agent, name);
  }
  const pod = await watcher.shown(name, shows, row.phase);
  const told = async () => (await agent.events(name)).map(event => plain(event, pod)).sort();
  // What is told of a state may come after it.
  const areAll = async () => ((await told()).length >= row.events.length ? true : undefined);
  await soon(areAll);
  return { pod, shows, events: await told(), wasPrinted: await watcher.wasPrinted(name, shows) };
}

/** What never happens: a count that goes back, another phase after the last one. Says where it did. */
function impossible(versions: readonly Seen[]): readonly string[] {
  const found: string[] = [];
  for (const [i, { status }] of versions.entries()) {
    const before = versions[i - 1]?.status;
    const { phase, containerStatuses = [], initContainerStatuses = [] } = status ?? {};
    if (['Succeeded', 'Failed'].includes(before?.phase ?? '') && phase !== before?.phase)
      found.push(`${phase} after ${before?.phase}`);
    for (const { name, restartCount } of [...containerStatuses, ...initContainerStatuses]) {
      const last = before && container(before, name)?.restartCount;
      if (last !== undefined && restartCount < last) found.push(`${name}: ${restartCount} after ${last}`);
    }
  }
  return found;
}

/** Makes a pod of each row, all at once, and looks at what becomes of each. */
export async function testRows(
  t: Test,
  agent: TestAgent,
  rows: Readonly<Record<string, Row>>,
): Promise<void> {
  const watcher = await PodWatcher.start(agent);
  const made = Object.entries(rows).map(([title, row], i) => ({
    title,
    row,
    name: row.name ?? `row-${String(i).padStart(2, '0')}`,
  }));
  const observed = made.map(each =>
    observe(
      agent,
      watcher,
      each,
      made.find(({ name }) => name === each.row.after),
    ),
  );
  await Promise.allSettled(observed);
  for (const [i, { title, row, name }] of made.entries())
    await t.test(title, async t => {
      const outcome = await observed[i];
      if (outcome === undefined) throw new Error('it was not made');
      const { pod, shows, events, wasPrinted } = outcome;
      t.match(byName(pod), row.status ?? {});
      t.same(events, [...row.events].sort());
      t.same(impossible(watcher.versions(name)), []);
      t.ok(wasPrinted, `${shows.join(', ')} in ${watcher.printed(name).join(', ')}`);
    });
  watcher.end();
}
