import { closeSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { syscallNumber } from '../../linux/arch.ts';
import { here } from '../../native/koffi.ts';
import { hostArch } from '../../native/library.ts';
import { callName } from '../../native/libseccomp.ts';
import { makeSocketPair } from '../../native/pipe.ts';
import { FIRST_ARGUMENT_CALLS, type Observation } from '../../oci/audit/observation.ts';
import type { ContainerInput } from '../../pipeline.ts';
import { instanceName } from './capability-watch.ts';
import type { ObserverInput, RawObservation } from './observer.ts';

/** Watches one attempt of a container. */
export interface Audit {
  /** The program's parameter `audit`. */
  readonly socket: number;
  /** Closes the socket, when the container has started or has not. */
  close(): void;
  /** When the container's last process has ended. */
  readonly observation: Promise<Observation>;
}

export function startAudit({ paths, container, attempt, image }: ContainerInput): Audit {
  const [ours, theirs] = makeSocketPair();
  const workerData: ObserverInput = {
    socket: ours,
    instance: instanceName(paths.uid, container.name, attempt),
    upper: paths.layer(container.name, attempt, 'upper'),
    image: image.layers.map(layer => `${paths.roots.state}/${layer}`),
    withArgument: FIRST_ARGUMENT_CALLS.map(name => syscallNumber(hostArch(), name)),
  };
  const observation = new Promise<RawObservation>((resolve, reject) => {
    const worker = new Worker(threadFile(), { workerData, env: {}, execArgv: [], trackUnmanagedFds: false });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', code => reject(new Error(`the thread of the audit ended with code ${code}`)));
  });
  const all = observation.then(named);
  // Somebody asks for it only if the container has started.
  all.catch(() => {});
  return { socket: theirs, close: () => closeSync(theirs), observation: all };
}

/** Beside the bundle; or, from a test's bundle, in dist/. */
function threadFile(): string {
  const file = 'podspace-audit.cjs';
  const found = ['.', '../dist', '../../dist'].map(up => join(here, up, file)).find(path => existsSync(path));
  if (found === undefined) throw new Error(`${file} is not built`);
  return found;
}

function named({ calls, ...rest }: RawObservation): Observation {
  return {
    ...rest,
    calls: calls
      .map(({ arch, nr, count, firstArguments }) => ({
        ...callName(arch, nr),
        count,
        firstArguments: [...firstArguments].sort((a, b) => a - b),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}
