import type { IncomingMessage } from 'node:http';
import { parse as parseYaml } from 'yaml';
import { ApiError, badRequest } from '../api-error.ts';
import { decodeProtobuf, PROTOBUF } from './protobuf/decode.ts';

/** The API server's limit of a request (MaxRequestBodyBytes). */
const MAX_BODY = 3 * 1024 * 1024;

/** The whole body. Throws an ApiError (413) as soon as there is too much. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = new ApiError('RequestEntityTooLarge', 'Request entity too large: limit is 3145728');
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY) throw tooLarge;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export const mediaTypeOf = ({ headers }: IncomingMessage): string =>
  (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

const READERS: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  'application/json': bytes => JSON.parse(bytes.toString()),
  'application/yaml': bytes => parseYaml(bytes.toString(), { version: '1.1', maxAliasCount: 100 }),
  [PROTOBUF]: decodeProtobuf,
};

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
