import type { IncomingMessage } from 'node:http';
import { parseSource, type SourceError } from '../../kube/source.ts';
import { ApiError, badRequest, tooManyRequests } from '../api-error.ts';
import { decodeProtobuf, PROTOBUF } from './protobuf/decode.ts';
import { Tally } from './tally.ts';

/** The API server's limit of a request (MaxRequestBodyBytes). */
const MAX_BODY = 3 * 1024 * 1024;

/** And of one in YAML: it takes ten thousand times longer to read than JSON, and kubectl sends none. */
const MAX_YAML = 32 * 1024;

/** Bytes of bodies that are not whole yet, of one user: who sends many slowly does not have the memory. */
const MAX_UNFINISHED = 32 * 1024 * 1024;
const unfinished = new Tally();

/** The whole body. Throws an ApiError (413) as soon as there is too much, or too much of that user's at once (429). */
export async function readBody(request: IncomingMessage, user: string): Promise<Buffer> {
  const tooLarge = new ApiError('RequestEntityTooLarge', 'Request entity too large: limit is 3145728');
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      if (size + chunk.length > MAX_BODY) throw tooLarge;
      if (unfinished.of(user) + chunk.length > MAX_UNFINISHED) throw tooManyRequests();
      size += chunk.length;
      unfinished.add(user, chunk.length);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    // Whoever goes before he has said all is nothing that we have done wrong.
    if (request.destroyed && !(error instanceof ApiError))
      throw badRequest('the body has not come to its end');
    throw error;
  } finally {
    unfinished.add(user, -size);
  }
}

export const mediaTypeOf = ({ headers }: IncomingMessage): string =>
  (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

const READERS: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  'application/json': bytes => JSON.parse(bytes.toString()),
  'application/yaml': readYaml,
  [PROTOBUF]: decodeProtobuf,
};

/** As that of a file. */
function readYaml(bytes: Buffer): unknown {
  if (bytes.length > MAX_YAML)
    throw new ApiError('RequestEntityTooLarge', `Request entity too large: limit of YAML is ${MAX_YAML}`);
  const errors: SourceError[] = [];
  const [document] = parseSource('', bytes.toString(), errors);
  if (errors[0] !== undefined) throw new Error(`yaml: line ${errors[0].line}: ${errors[0].message}`);
  return document?.toJS() ?? null;
}

/** An object that was sent, as JSON, YAML or (a few kinds) protobuf. Throws an ApiError (400, 415). */
export function parseBody(mediaType: string, body: Buffer): unknown {
  const type = mediaType === '' ? 'application/json' : mediaType;
  const read = Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (read === undefined)
    throw new ApiError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(READERS).join(', ')}`,
    );
  try {
    return read(body);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw badRequest(
      `the object provided is unrecognized (must be of type json or yaml): ${(error as Error).message}`,
    );
  }
}

/** A patch of any kind is JSON, or YAML for those who apply. */
export function parsePatch(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw badRequest(`error decoding patch: ${(error as Error).message}`);
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
