import { Counter, Gauge, Histogram, Registry as MetricsRegistry } from 'prom-client';
import type { Registry } from '../registry.ts';
import { SERVED } from '../resources.ts';

/** Of the process, as client libraries name them. */
const PROCESS: Readonly<Record<string, readonly [help: string, value: () => number]>> = {
  process_resident_memory_bytes: ['Resident memory size in bytes.', () => process.memoryUsage.rss()],
  process_cpu_seconds_total: [
    'Total user and system CPU time spent in seconds.',
    () => process.resourceUsage().userCPUTime / 1e6 + process.resourceUsage().systemCPUTime / 1e6,
  ],
  process_start_time_seconds: [
    'Start time of the process since unix epoch in seconds.',
    () => Math.round(Date.now() / 1000 - process.uptime()),
  ],
};

/** What the agent counts, for Prometheus; names and labels are the API server's where it has them. */
export class Metrics {
  readonly #registry = new MetricsRegistry();
  readonly #requests = new Counter({
    name: 'apiserver_request_total',
    help: 'Requests, by verb, resource, subresource and HTTP code.',
    labelNames: ['verb', 'resource', 'subresource', 'code'],
    registers: [this.#registry],
  });
  readonly #durations = new Histogram({
    name: 'apiserver_request_duration_seconds',
    help: 'How long requests took that do not stay open.',
    labelNames: ['verb', 'resource'],
    buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
    registers: [this.#registry],
  });
  readonly #long = new Gauge({
    name: 'apiserver_longrunning_requests',
    help: 'Requests that stay open: watches, followed logs, exec, attach and port-forward.',
    labelNames: ['verb'],
    registers: [this.#registry],
  });
  readonly #slow = new Counter({
    name: 'podspace_watches_dropped_total',
    help: 'Watches that were ended because their client did not read.',
    registers: [this.#registry],
  });

  constructor(objects: Registry) {
    // The package's own set watches the event loop, which wakes an idle agent a hundred times a second.
    for (const [name, [help, value]] of Object.entries(PROCESS)) this.#processGauge(name, help, value);
    const kinds = [...new Set(SERVED.map(({ kind }) => kind))];
    new Gauge({
      name: 'podspace_objects',
      help: 'Objects, by kind.',
      labelNames: ['kind'],
      registers: [this.#registry],
      collect() {
        for (const kind of kinds) this.set({ kind }, objects.list(kind).items.length);
      },
    });
  }

  #processGauge(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(value());
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  request(
    labels: { verb: string; resource: string; subresource: string },
    code: number,
    seconds?: number,
  ): void {
    this.#requests.inc({ ...labels, code: String(code) });
    if (seconds !== undefined)
      this.#durations.observe({ verb: labels.verb, resource: labels.resource }, seconds);
  }

  opened(verb: string): void {
    this.#long.inc({ verb });
  }

  closed(verb: string): void {
    this.#long.dec({ verb });
  }

  droppedWatch(): void {
    this.#slow.inc();
  }
}
