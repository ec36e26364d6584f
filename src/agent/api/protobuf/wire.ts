import { badRequest } from '../../api-error.ts';

/** A field of a protobuf message as it stands on the wire. */
export interface WireField {
  readonly number: number;
  /** A varint, or bytes. Fixed-width numbers are in none of the messages that are read. */
  readonly value: bigint | Buffer;
}

const TRUNCATED = 'unexpected EOF';

/** The fields of a message, in order. Throws an ApiError (400) for what is none. */
export function wireFields(message: Buffer): readonly WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at];
      if (byte === undefined) throw badRequest(TRUNCATED);
      at++;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw badRequest('proto: integer overflow');
  };
  const bytes = (length: number): Buffer => {
    if (length > message.length - at) throw badRequest(TRUNCATED);
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const key = varint();
    const [number, type] = [Number(key >> 3n), Number(key & 7n)];
    if (type === 0) fields.push({ number, value: varint() });
    else if (type === 2) fields.push({ number, value: bytes(Number(varint())) });
    else if (type === 1 || type === 5) bytes(type === 1 ? 8 : 4);
    else throw badRequest(`proto: illegal wireType ${type}`);
  }
  return fields;
}
