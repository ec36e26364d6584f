import { ApiError, badRequest } from '../../api-error.ts';
import { MESSAGES } from './messages.ts';
import { type WireField, wireFields } from './wire.ts';

/** What an object in protobuf begins with (apimachinery/pkg/runtime/serializer/protobuf). */
const MAGIC = Buffer.from('k8s\0');
const MAX_DEPTH = 20;

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** An object of the API from its protobuf, as its JSON would be. Throws an ApiError (400; 415 for a kind that is not known). */
export function decodeProtobuf(bytes: Buffer): unknown {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC))
    throw badRequest(
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    );
  const fields = wireFields(bytes.subarray(MAGIC.length));
  const meta = bytesOf(fields, 1);
  const [apiVersion, kind] = [1, 2].map(number => bytesOf(wireFields(meta), number).toString());
  if (kind === undefined || !Object.hasOwn(MESSAGES, kind))
    throw new ApiError(
      'UnsupportedMediaType',
      `objects of kind ${JSON.stringify(kind)} are only understood as JSON or YAML`,
    );
  return { apiVersion, kind, ...decodeMessage(bytesOf(fields, 2), kind, 0) };
}

function bytesOf(fields: readonly WireField[], number: number): Buffer {
  const value = fields.find(field => field.number === number)?.value;
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function decodeMessage(bytes: Buffer, message: string, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw badRequest('proto: nested too deeply');
  const known = MESSAGES[message] ?? {};
  const result = new Map<string, unknown>();
  for (const { number, value } of wireFields(bytes)) {
    const [name = '', type = ''] = (known[number] ?? '').split(':');
    if (name === '') continue;
    const before = result.get(name);
    if (type.startsWith('['))
      result.set(name, [...((before as unknown[]) ?? []), decodeValue(value, type.slice(1, -1), depth)]);
    else if (type.startsWith('{')) {
      const entry = wireFields(Buffer.isBuffer(value) ? value : Buffer.alloc(0));
      const key = bytesOf(entry, 1).toString();
      const item = decodeValue(bytesOf(entry, 2), type.slice(1, -1), depth);
      result.set(name, Object.fromEntries([...Object.entries((before as object) ?? {}), [key, item]]));
    } else {
      const decoded = decodeValue(value, type, depth);
      // Go writes the empty text for a field that is not set.
      if (decoded !== '' && decoded !== undefined) result.set(name, decoded);
    }
  }
  return Object.fromEntries(result);
}

function decodeValue(value: bigint | Buffer, type: string, depth: number): unknown {
  if (type.endsWith('0')) return decodeValue(value, type.slice(0, -1), depth) || undefined;
  if (type === 'b') return value !== 0n;
  if (type === 'i') return typeof value === 'bigint' ? Number(BigInt.asIntN(64, value)) : 0;
  if (!Buffer.isBuffer(value)) throw badRequest('proto: wrong wireType');
  if (type === 's') return value.toString();
  if (type === 'y') return value.toString('base64');
  if (type === 't') return timeOf(value);
  if (type === 'x') {
    const { type: kind = 0, intVal = 0, strVal = '' } = decodeMessage(value, 'IntOrString', depth + 1);
    return kind === 1 ? strVal : intVal;
  }
  return decodeMessage(value, type.slice(1), depth + 1);
}

/** Seconds and nanoseconds; the year 1 is Go's word for none. */
function timeOf(value: Buffer): string | undefined {
  const seconds = wireFields(value).find(({ number }) => number === 1)?.value;
  const date = new Date(Number(BigInt.asIntN(64, typeof seconds === 'bigint' ? seconds : 0n)) * 1000);
  const isSet = typeof seconds === 'bigint' && !Number.isNaN(date.getTime()) && date.getTime() > 0;
  return isSet ? date.toISOString().replace(/\.\d+Z$/, 'Z') : undefined;
}
