import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PodPaths } from '../../oci/pod-paths.ts';
import { removeDetached } from '../../runtime/detached.ts';
import { loggedPods, removeLogs } from '../../runtime/log-files.ts';
import { findPods, type PodRecord } from '../../runtime/pod-directory.ts';
import type { AttachSession, AttachStreams, PodBackend } from '../backend.ts';
import type { ApiObject, WatchEvent } from '../objects.ts';
import { attachTo } from './attach.ts';
import { rotateLogs } from './rotate-logs.ts';
import { knownUids, makeStatusDirectory, removeKnown } from './status-file.ts';
import { PodWorker, type WorkerOptions } from './worker.ts';

/** Milliseconds between two looks at the size of logs, as the kubelet's. */
const ROTATION = 10_000;

/** Every pod of the registry gets a worker; what nobody wants any more is ended. */
export class PodManager implements PodBackend {
  readonly #options: WorkerOptions;
  readonly #workers = new Map<string, PodWorker>();
  /** By namespace and name: another pod of that name has to wait for the end of the one before. */
  readonly #lives = new Map<string, Promise<void>>();
  readonly #stopWatching: () => void;
  readonly #rotation: NodeJS.Timeout;
  #isRotating = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    makeStatusDirectory(options.roots);
    const { items, resourceVersion } = options.registry.list('Pod');
    const wanted = new Set(items.map(({ metadata }) => metadata.uid));
    const alive = findPods(options.roots).filter(({ isAlive }) => isAlive);
    const kept = new Set([...wanted, ...alive.map(({ paths }) => paths.uid)]);
    for (const uid of knownUids(options.roots)) if (!kept.has(uid)) removeKnown(options.roots, uid);
    for (const pod of loggedPods(options.roots)) if (!kept.has(pod.uid)) removeLogs(options.roots, pod);
    // First: the next ones of their names wait for them.
    const unknown = alive
      .filter(({ paths }) => !wanted.has(paths.uid))
      .map(({ paths, record }) => this.#try(paths.uid, () => this.#endUnknown(paths, record)));
    void this.#try('', async () => {
      await Promise.all(unknown);
      options.registry.finishNamespaces();
    });
    for (const pod of items) this.#see(pod);
    this.#stopWatching = options.registry.watch('Pod', resourceVersion, event => this.#changed(event));
    this.#rotation = setInterval(() => void this.#rotate(), ROTATION).unref();
  }

  /** Looks at pods no more; they go on. */
  close(): void {
    clearInterval(this.#rotation);
    this.#stopWatching();
  }

  attach(podUid: string, container: string, streams: AttachStreams): Promise<AttachSession> {
    const worker = this.#workers.get(podUid);
    return attachTo(worker?.running, worker?.container(container) ?? { name: container }, streams);
  }

  #changed({ type, object }: WatchEvent): void {
    const { uid = '' } = object.metadata;
    // Its object is gone already: nobody waits for its end.
    if (type === 'DELETED') this.#workers.get(uid)?.delete(0);
    else this.#see(object);
  }

  #see(pod: ApiObject): void {
    const { uid = '', deletionTimestamp, deletionGracePeriodSeconds = 30 } = pod.metadata;
    let worker = this.#workers.get(uid);
    if (worker === undefined) {
      worker = new PodWorker(pod, this.#options);
      // Before the registry tells of a change.
      this.#workers.set(uid, worker);
      void this.#live(uid, worker);
    } else worker.update(pod);
    if (deletionTimestamp !== undefined) worker.delete(deletionGracePeriodSeconds);
  }

  /** A pod whose object has gone while no agent ran, or could not be read: it ends as if it had been deleted. */
  async #endUnknown(paths: PodPaths, record: PodRecord | undefined): Promise<void> {
    const { roots, onError } = this.#options;
    // A command runs the others, and ends them.
    if (!existsSync(join(paths.run, 'detached.json'))) return;
    onError(`pod ${paths.uid} runs, but there is no object of it: it is ended`);
    if (record === undefined) {
      // Its logs still say what it was called.
      const logged = loggedPods(roots).find(({ uid }) => uid === paths.uid);
      await removeDetached({ paths }, roots, logged ?? { namespace: '', name: '' });
      if (logged !== undefined) removeLogs(roots, logged);
      removeKnown(roots, paths.uid);
      return;
    }
    const worker = new PodWorker(record.pod as unknown as ApiObject, this.#options);
    this.#workers.set(paths.uid, worker);
    worker.delete(record.pod.spec?.terminationGracePeriodSeconds ?? 30);
    await this.#live(paths.uid, worker);
  }

  async #live(uid: string, worker: PodWorker): Promise<void> {
    const { name } = worker;
    const life = this.#run(uid, worker, this.#lives.get(name));
    this.#lives.set(name, life);
    await life;
    if (this.#lives.get(name) === life) this.#lives.delete(name);
  }

  async #run(uid: string, worker: PodWorker, before: Promise<void> | undefined): Promise<void> {
    await before;
    await this.#try(uid, () => worker.run());
    this.#workers.delete(uid);
    await this.#try(uid, () => this.#options.registry.removed(uid));
  }

  /** What fails of one pod is told, and is nobody else's business. */
  async #try(uid: string, body: () => void | Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      this.#options.onError(`pod ${uid}: ${error instanceof Error ? error.stack : error}`);
    }
  }

  async #rotate(): Promise<void> {
    if (this.#isRotating) return;
    this.#isRotating = true;
    for (const { running } of [...this.#workers.values()]) {
      if (running === undefined) continue;
      try {
        await rotateLogs(running);
      } catch (error) {
        this.#options.onError(`rotating logs of pod ${running.paths.uid}: ${error}`);
      }
    }
    this.#isRotating = false;
  }
}
