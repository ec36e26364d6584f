import { applyPatch as applyJsonPatch, type Operation, Pointer } from 'rfc6902';
import { ApiError, badRequest, type StatusDetails } from '../../api-error.ts';
import { mergePatch } from './merge-patch.ts';
import { strategicMerge } from './strategic-merge.ts';

/** MaxJSONPatchOperations of the API server. */
const MAX_OPERATIONS = 10_000;

/** Bytes that a JSON patch may copy, as the API server's: an object that is copied into itself doubles each time. */
const MAX_COPIED = 3 * 1024 * 1024;

type Patch = (target: unknown, patch: unknown, definition: string) => unknown;

/** By media type. */
const PATCHES: Readonly<Record<string, Patch>> = {
  'application/json-patch+json': jsonPatch,
  'application/merge-patch+json': (target, patch) => mergePatch(target, requireObject(patch)),
  'application/strategic-merge-patch+json': (target, patch, definition) =>
    strategicMerge(target, requireObject(patch), definition),
};

export const PATCH_TYPES: readonly string[] = Object.keys(PATCHES);

/**
 * An object as a patch makes it; nothing of the object itself is changed. Throws an ApiError, 415 for a kind of patch that
 * is not known: to a server-side apply kubectl then says that the server has none.
 */
export function applyPatch(mediaType: string, target: unknown, patch: unknown, definition: string): unknown {
  const apply = Object.hasOwn(PATCHES, mediaType) ? PATCHES[mediaType] : undefined;
  if (apply === undefined)
    throw new ApiError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${PATCH_TYPES.join(', ')}`,
    );
  return apply(target, patch, definition);
}

function requireObject(patch: unknown): unknown {
  if (typeof patch === 'object' && patch !== null && !Array.isArray(patch)) return patch;
  throw badRequest(
    'error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}',
  );
}

const OPERATIONS = ['add', 'remove', 'replace', 'move', 'copy', 'test'];

function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal into Go value of type jsonpatch.Patch');
  if (patch.length > MAX_OPERATIONS)
    throw new ApiError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  for (const operation of patch) {
    const { op, path, from } = Object(operation) as Record<string, unknown>;
    const isMissing =
      typeof path !== 'string' || (['move', 'copy'].includes(String(op)) && typeof from !== 'string');
    if (!OPERATIONS.includes(String(op))) throw invalidPatch(`Unexpected kind: ${String(op)}`);
    if (isMissing) throw invalidPatch(`${String(op)} operation does not apply: missing path`);
  }
  const copy = structuredClone(target);
  let failure: unknown;
  try {
    let copied = 0;
    for (const operation of patch as Operation[]) {
      if (operation.op === 'copy') copied += sizeOf(copy, operation.from);
      if (copied > MAX_COPIED)
        throw new Error(
          `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${MAX_COPIED}`,
        );
      failure = applyJsonPatch(copy, [operation])[0] ?? undefined;
      if (failure !== undefined) break;
    }
  } catch (error) {
    failure = error;
  }
  if (failure === undefined) return copy;
  throw invalidPatch(failure instanceof Error ? failure.message : String(failure));
}

const sizeOf = (target: unknown, path: string): number =>
  JSON.stringify(Pointer.fromJSON(path).get(target) ?? null).length;

/** The API server's answer to a patch that cannot be applied. */
function invalidPatch(why: string): ApiError {
  const details: StatusDetails = {};
  return new ApiError(
    'Invalid',
    `the server rejected our request due to an error in our request: ${why}`,
    details,
  );
}
