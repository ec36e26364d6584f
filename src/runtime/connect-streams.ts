import type { Container } from '../kube/types.generated.ts';
import type { StartedContainer } from './container.ts';
import type { ResultBuilder } from './result-builder.ts';
import type { OutputStream, RunPodOptions } from './run-options.ts';
import { readAll, readAllInThread, readTerminal } from './streams.ts';

type Options = Pick<RunPodOptions, 'attached' | 'observer' | 'hasOwnThreads'>;

/** Nobody writes to the input of a container that is not attached to, but it stays open as long as the container runs. */
export function connectInput(
  { attached }: Options,
  { name }: Container,
  { streams }: StartedContainer,
): number | undefined {
  if (attached?.name !== name || attached.connect === undefined) return streams.stdin;
  attached.connect({ stdin: streams.stdin, terminal: streams.terminal });
  return undefined;
}

/** Hands what a container prints to its result and to who watches, until its streams end. */
export function readStreams(
  { observer, hasOwnThreads }: Options,
  container: Container,
  { streams }: StartedContainer,
  result: ResultBuilder,
): Promise<unknown> {
  const take =
    (stream: OutputStream) =>
    (chunk: Buffer): boolean | undefined => {
      result.output(stream, chunk);
      return observer.onOutput?.(container.name, stream, chunk);
    };
  if (streams.terminal !== undefined) return readTerminal(streams.terminal, take('stdout'));
  const read = hasOwnThreads === true ? readAllInThread : readAll;
  return Promise.all([
    read(streams.stdout ?? -1, take('stdout')),
    read(streams.stderr ?? -1, take('stderr')),
  ]);
}
