/**
 * The two messages of grpc.health.v1.Health/Check, and gRPC's frame around them. A codec of a page: @grpc/grpc-js with its
 * protobuf packages is half a megabyte, and more than is wanted here is what a hostile server would get to play with.
 */

/** health.proto: HealthCheckResponse.ServingStatus, by number. */
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** The compressed flag, and the length of the message: four bytes, the highest first. */
const PREFIX = 5;

/** Bytes of an answer: a healthy one has two. */
export const MAX_MESSAGE = 4096;

/** The frame of HealthCheckRequest{service}; protobuf leaves out an empty field. */
export function encodeCheck(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(0x0a), varint(name.length), name]);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest < 128 ? rest : (rest % 128) | 0x80);
    if (rest < 128) return Buffer.from(bytes);
  }
}

/** What a frame says, or what is wrong with it, as gRPC's codes and descriptions; undefined while more of it must come. */
export type Answer = { readonly status: string } | { readonly code: string; readonly description: string };

export function decodeAnswer(bytes: Buffer): Answer | undefined {
  if (bytes.length < PREFIX) return undefined;
  const length = bytes.readUInt32BE(1);
  if (bytes[0] !== 0)
    return { code: 'Internal', description: 'grpc: compressed flag set with identity or empty encoding' };
  if (length > MAX_MESSAGE)
    return {
      code: 'ResourceExhausted',
      description: `grpc: received message larger than max (${length} vs. ${MAX_MESSAGE})`,
    };
  if (bytes.length < PREFIX + length) return undefined;
  const status = servingStatus(bytes.subarray(PREFIX, PREFIX + length));
  if (status === undefined)
    return {
      code: 'Internal',
      description:
        'grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data',
    };
  return { status: SERVING_STATUS[status] ?? String(status) };
}

/** Field 1 of HealthCheckResponse, 0 without one; the last one counts. Undefined for what is no message. */
function servingStatus(message: Buffer): number | undefined {
  let status = 0;
  for (let at = 0; at < message.length; ) {
    const tag = readVarint(message, at);
    if (tag === undefined || tag.value < 8) return undefined;
    const end = endOf(message, tag.value % 8, tag.end);
    if (end === undefined || end > message.length) return undefined;
    if (tag.value === 0x08) status = readVarint(message, tag.end)?.value ?? 0;
    at = end;
  }
  return status;
}

/** Where the value of a field ends, by its wire type. */
function endOf(message: Buffer, wireType: number, at: number): number | undefined {
  if (wireType === 0) return readVarint(message, at)?.end;
  if (wireType === 1) return at + 8;
  if (wireType === 5) return at + 4;
  const length = wireType === 2 ? readVarint(message, at) : undefined;
  return length === undefined ? undefined : length.end + length.value;
}

/** At most ten bytes of seven bits; what is beyond a double's 53 is no status, length or tag that anybody sends. */
function readVarint(
  bytes: Buffer,
  from: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return { value, end: from + i + 1 };
  }
  return undefined;
}

/** google.golang.org/grpc/codes, by number. */
const CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

export function codeName(status: string): string {
  return /^\d{1,2}$/.test(status) ? (CODES[Number(status)] ?? `Code(${Number(status)})`) : 'Unknown';
}

/** What an answer of HTTP's means that is none of gRPC's (doc/http-grpc-status-mapping.md). */
const CODES_OF_HTTP: Readonly<Record<number, string>> = {
  400: 'Internal',
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'Unimplemented',
  429: 'Unavailable',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Unavailable',
};

export const codeOfHttp = (status: number): string => CODES_OF_HTTP[status] ?? 'Unknown';

/** `grpc-message` is percent-encoded; what is not is taken as it is. */
export function decodeDescription(text: string): string {
  return Buffer.from(
    text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8');
}
