import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileFailure, UserError } from '../../base/errors.ts';
import type { ValidateMode } from '../../kube/decode.ts';
import { type LoadedObject, loadManifest } from '../../kube/manifest.ts';
import type { ObjectMeta, Secret } from '../../kube/types.generated.ts';
import { setSecretDefaults } from '../../kube/validate-config.ts';
import { withObjectName } from '../../runtime/admission.ts';
import { keyOf } from '../../runtime/kinds.ts';
import { readManifest } from '../../runtime/read-manifest.ts';
import { printWarnings } from '../input.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { servedKind } from './types.ts';

/** An object, and how its file was named. */
export interface FiledObject extends LoadedObject {
  readonly file: string;
}

export const metadataOf = ({ object }: Pick<LoadedObject, 'object'>): ObjectMeta =>
  (object.metadata ?? {}) as ObjectMeta;

/**
 * The objects of the files and directories of `-f`, all of kinds that are kept, in order. Throws a UserError for others:
 * nothing is passed over.
 */
export function readObjects(args: Args, io: Io): readonly FiledObject[] {
  const validate = (text(args, 'validate') ?? 'strict') as ValidateMode;
  const files = texts(args, 'filename')
    .flatMap(names => names.split(','))
    .flatMap(name => manifestFiles(name, flag(args, 'recursive')));
  return files.flatMap(file => {
    const name = file === '-' ? '(stdin)' : file;
    const { all, warnings } = loadManifest([{ file: name, text: readManifest(file) }], { validate });
    printWarnings(io, warnings);
    for (const { kind } of all) servedKind(kind);
    return all.map(object => ({ ...object, file: name }));
  });
}

const MANIFEST = /\.(ya?ml|json)$/;

/** A file as it is; of a directory the manifests, by name. */
function manifestFiles(path: string, isRecursive: boolean): readonly string[] {
  if (path === '-' || statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [path];
  try {
    return readdirSync(path, { withFileTypes: true })
      .sort((one, other) => (one.name < other.name ? -1 : 1))
      .flatMap(entry => {
        if (entry.isDirectory()) return isRecursive ? manifestFiles(join(path, entry.name), true) : [];
        return MANIFEST.test(entry.name) ? [join(path, entry.name)] : [];
      });
  } catch (cause) {
    throw new UserError(`cannot read "${path}": ${fileFailure(cause)}`, { cause });
  }
}

/** A Secret's `stringData` is for writing: what is kept is `data`. */
export function withDefaults<T extends LoadedObject>(loaded: T): T {
  if (loaded.kind !== 'Secret') return loaded;
  return { ...loaded, object: setSecretDefaults(loaded.object as Secret) as T['object'] };
}

/**
 * An object as it would be stored: with a name, and in a namespace if its kind has them, the one of `--namespace` or
 * `default` if it says none itself.
 */
export function placed<T extends LoadedObject>(loaded: T, asked: string | undefined): T {
  const named = { ...loaded, ...withObjectName(loaded) };
  const { namespace: own, ...metadata } = metadataOf(named);
  const { namespace } = keyOf(servedKind(named.kind), named, asked ?? 'default');
  if (namespace !== undefined && asked !== undefined && own !== undefined && own !== asked)
    throw new UserError(
      `the namespace from the provided object ${JSON.stringify(own)} does not match the namespace ${JSON.stringify(asked)}. You must pass '--namespace=${own}' to perform this operation.`,
    );
  const scoped = namespace === undefined ? metadata : { ...metadata, namespace };
  return { ...named, object: { ...named.object, metadata: scoped } };
}
