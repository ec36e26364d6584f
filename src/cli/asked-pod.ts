import type { PodPaths } from '../oci/pod-paths.ts';
import { findRunningPod, type PodRecord } from '../runtime/pod-directory.ts';
import { admissionOptions } from './input.ts';
import { type Args, type Io, text } from './io.ts';

/** The running pod that a command is about, if the user of `--as` may do that with it. Throws a UserError. */
export async function askedPod(
  args: Args,
  io: Io,
  verb: string,
  subresource = '',
): Promise<{ readonly paths: PodPaths; readonly record: PodRecord }> {
  const found = findRunningPod(io.roots, runningName(args));
  await requirePods(args, io, { verb, subresource, ...found.record });
  return found;
}

/** `web` of any namespace, `NAMESPACE/web`, or as kubectl has it: `pod/web`, and `-n NAMESPACE`. */
function runningName(args: Args): string {
  const word = text(args, 'pod') ?? '';
  const namespace = text(args, 'namespace');
  const name = /^(?:po|pods?)\/(.+)$/.exec(word)?.[1] ?? word;
  return namespace === undefined || name.includes('/') ? name : `${namespace}/${name}`;
}

/** Throws a UserError, in an API server's words, if the user of `--as` may not do that with pods. */
export async function requirePods(
  args: Args,
  io: Io,
  asked: {
    readonly verb: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  },
): Promise<void> {
  const options = admissionOptions(args);
  if (options.as === undefined && options.asGroups?.length === 0) return;
  const { requireAllowed } = await import('../runtime/authorize.ts');
  const { verb, subresource = '', namespace = '', name = '' } = asked;
  requireAllowed(io.roots, options, {
    verb,
    resource: 'pods',
    apiGroup: '',
    subresource,
    name,
    ...(namespace === '' ? {} : { namespace }),
  });
}
