import { UserError } from '../base/errors.ts';
import { copyIn, copyOut } from '../runtime/copy.ts';
import { chooseContainer } from '../runtime/exec.ts';
import { findRunningPod } from '../runtime/pod-directory.ts';
import { requirePods } from './asked-pod.ts';
import { isStream, readStream, writeStream } from './cp-stream.ts';
import { printWarnings } from './input.ts';
import { type Args, type Io, text } from './io.ts';
import { requireRoot } from './root.ts';

/** Where something is: in a pod, or here. */
interface FileSpec {
  readonly pod: string | undefined;
  readonly path: string;
}

/** `[[NAMESPACE/]POD:]PATH`, as kubectl reads it; but what begins with "/" or "." is a path of this machine. */
export function parseFileSpec(word: string): FileSpec {
  const colon = word.indexOf(':');
  if (colon === -1 || /^\.{0,2}\//.test(word)) return { pod: undefined, path: word };
  const pod = word.slice(0, colon);
  if (pod === '' || pod.split('/').length > 2)
    throw new UserError('filespec must match the canonical format: [[namespace/]pod:]file/path');
  return { pod, path: word.slice(colon + 1) };
}

export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const source = parseFileSpec(text(args, 'source') ?? '');
  const target = parseFileSpec(text(args, 'target') ?? '');
  const name = source.pod ?? target.pod;
  if (name === undefined)
    throw new UserError('one of src or dest must be a remote file specification', {
      hint: 'podspace cp POD:PATH LOCAL, or LOCAL POD:PATH',
    });
  if (source.pod !== undefined && target.pod !== undefined)
    throw new UserError('one of src or dest must be a local file specification');
  if (source.path === '' || target.path === '') throw new UserError('filepath can not be empty');
  const { record } = findRunningPod(io.roots, name);
  // A cluster is asked for it by kubectl cp, too: that is a tar(1) in the container.
  await requirePods(args, io, { verb: 'create', subresource: 'exec', ...record });
  const asked = text(args, 'container');
  const container = chooseContainer(record, asked);
  if (asked === undefined && record.containers.length > 1)
    io.err(
      `Defaulted container "${container.name}" out of: ${record.containers.map(each => each.name).join(', ')}\n`,
    );
  const warn = (message: string): void => printWarnings(io, [message]);
  if (isStream(target))
    writeStream(source.path, local => copyOut(record, container, source.path, local, warn));
  else if (isStream(source))
    readStream(local => copyIn(record, container, local, target.path, warn, 'into a directory'));
  else {
    const copy = source.pod === undefined ? copyIn : copyOut;
    copy(record, container, source.path, target.path, warn);
  }
  return 0;
}
