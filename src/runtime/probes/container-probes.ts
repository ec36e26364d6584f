import type { Container, Probe } from '../../kube/types.generated.ts';
import type { Outcome } from '../handlers/outcome.ts';
import { startTimer } from '../timer.ts';
import { type Clock, type ProbeKind, ProbeWorker } from './worker.ts';

export const SYSTEM_CLOCK: Clock = { now: () => performance.now(), after: startTimer };

export interface ContainerProbesOptions {
  readonly container: Container;
  readonly clock?: Clock;
  /** Milliseconds that the container has run for already, where it was found running. */
  readonly ranFor?: number;
  /** What is known of such a container. */
  readonly known?: { readonly started: boolean; readonly ready: boolean };
  run(probe: Probe, signal: AbortSignal): Promise<Outcome>;
  onEvent(type: 'Normal' | 'Warning', reason: string, message: string): void;
  /** `ready` or `started` is not what it was. */
  onChange(): void;
  /** The container is to be restarted; its probes have stopped. */
  onUnhealthy(kind: 'liveness' | 'startup', probe: Probe): void;
}

/** The probes of one run of one container, and what they say of it: `started` and `ready` as in its status. */
export class ContainerProbes {
  readonly #options: ContainerProbesOptions;
  readonly #workers: Partial<Record<ProbeKind, ProbeWorker>>;
  #started: boolean;
  #isReady: boolean;
  #isEnded = false;

  constructor(options: ContainerProbesOptions) {
    const { container, known } = options;
    this.#options = options;
    this.#started = container.startupProbe === undefined || known?.started === true;
    this.#isReady = container.readinessProbe === undefined || known?.ready === true;
    const clock = options.clock ?? SYSTEM_CLOCK;
    const startedAt = clock.now() - (options.ranFor ?? 0);
    const worker = (kind: ProbeKind, probe: Probe | undefined): Partial<Record<ProbeKind, ProbeWorker>> =>
      probe === undefined
        ? {}
        : {
            [kind]: new ProbeWorker({
              kind,
              probe,
              clock,
              startedAt,
              run: options.run,
              isTurn: () => this.#started !== (kind === 'startup'),
              onResult: isSuccess => this.#take(kind, probe, isSuccess),
              onEvent: (reason, message) => options.onEvent('Warning', reason, message),
            }),
          };
    this.#workers = {
      ...worker('startup', container.startupProbe),
      ...worker('liveness', container.livenessProbe),
      ...worker('readiness', container.readinessProbe),
    };
  }

  /** Whether it has come up: the startup probe has succeeded, or there is none. */
  get started(): boolean {
    return this.#started && !this.#isEnded;
  }

  /** Whether Services may send it traffic. */
  get ready(): boolean {
    return this.started && this.#isReady;
  }

  start(): void {
    for (const worker of Object.values(this.#workers)) worker.start();
  }

  /** The pod's end has begun: nobody is to be restarted any more, but readiness is still asked for. */
  podEnds(): void {
    this.#workers.startup?.stop();
    this.#workers.liveness?.stop();
  }

  /** The container has ended: it is neither started nor ready. */
  end(): void {
    this.#isEnded = true;
    for (const worker of Object.values(this.#workers)) worker.stop();
  }

  #take(kind: ProbeKind, probe: Probe, isSuccess: boolean): void {
    const before = [this.started, this.ready];
    if (kind === 'readiness') this.#isReady = isSuccess;
    else if (!isSuccess) {
      this.podEnds();
      this.#options.onUnhealthy(kind, probe);
    } else if (kind === 'startup') {
      this.#started = true;
      this.#workers.startup?.stop();
      this.#workers.readiness?.turn();
    }
    if (before[0] !== this.started || before[1] !== this.ready) this.#options.onChange();
  }
}
