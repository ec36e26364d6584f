import { endpointsOf } from './endpoints.ts';
import { type NodeFacts, nodeObject } from './node-object.ts';
import type { ApiObject } from './objects.ts';
import { timestamp } from './objects.ts';
import type { Registry } from './registry.ts';

/** Milliseconds: several changes of pods are one of what they stand behind. */
const SETTLE = 50;
const DERIVED = ['Endpoints', 'EndpointSlice'];

/** Keeps the objects up to date that nobody makes but the machine: its Node, and what stands behind each Service. */
export class MachineObjects {
  readonly #registry: Registry;
  readonly #stop: readonly (() => void)[];
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: Registry, facts: NodeFacts, version: string) {
    this.#registry = registry;
    const since = registry.get('Namespace', undefined, 'kube-system')?.metadata.creationTimestamp;
    registry.publish(nodeObject(facts, version, since ?? timestamp()));
    const changed = (): void => {
      this.#timer ??= setTimeout(() => this.#update(), SETTLE).unref();
    };
    this.#stop = ['Pod', 'Service'].map(kind => registry.watch(kind, undefined, changed));
    this.#update();
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const stop of this.#stop) stop();
  }

  #update(): void {
    this.#timer = undefined;
    const wanted = this.#registry
      .list('Service')
      .items.flatMap(service =>
        endpointsOf(service, this.#registry.list('Pod', service.metadata.namespace).items),
      );
    const keyOf = ({ kind, metadata: { namespace, name } }: ApiObject): string =>
      `${kind}/${namespace}/${name}`;
    const keys = new Set(wanted.map(keyOf));
    for (const object of wanted) this.#registry.publish(object);
    for (const object of DERIVED.flatMap(kind => this.#registry.list(kind).items))
      if (!keys.has(keyOf(object)))
        this.#registry.unpublish(object.kind, object.metadata.namespace, object.metadata.name ?? '');
  }
}
