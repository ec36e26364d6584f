/**
 * As much of Protocol Buffers as the CRI's messages need (https://protobuf.dev/programming-guides/encoding): a message is a
 * table of its fields, each with its number and what it is.
 */
export type Field = readonly [number, 'text' | 'number' | 'texts' | 'map' | Message];
export interface Message {
  readonly [name: string]: Field;
}
export type Value = { readonly [name: string]: unknown };

const VARINT = 0;
const LENGTH = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
}

const tagged = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([varint(number * 8 + LENGTH), varint(bytes.length), bytes]);

export function encodeMessage(message: Message, value: Value): Buffer {
  const parts = Object.entries(value).map(([name, one]) => {
    const field = message[name];
    if (field === undefined) throw new Error(`unknown field ${name}`);
    const [number, type] = field;
    if (type === 'number') return Buffer.concat([varint(number * 8 + VARINT), varint(Number(one))]);
    if (type === 'text') return tagged(number, Buffer.from(one as string));
    if (type === 'texts')
      return Buffer.concat((one as string[]).map(text => tagged(number, Buffer.from(text))));
    if (type !== 'map') return tagged(number, encodeMessage(type, one as Value));
    const entry: Message = { key: [1, 'text'], value: [2, 'text'] };
    const pairs = Object.entries(one as Record<string, string>);
    return Buffer.concat(
      pairs.map(([key, text]) => tagged(number, encodeMessage(entry, { key, value: text }))),
    );
  });
  return Buffer.concat(parts);
}

/** Fields that are not in the table are passed over. */
export function decodeMessage(message: Message, bytes: Buffer): Value {
  const value: Record<string, unknown> = {};
  let at = 0;
  const read = (): number => {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      result |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(result);
    }
  };
  while (at < bytes.length) {
    const tag = read();
    const kind = tag % 8;
    if (kind !== VARINT && kind !== LENGTH) throw new Error(`wire type ${kind}`);
    const size = read();
    const found = Object.entries(message).find(([, [number]]) => number === Math.floor(tag / 8));
    const part = kind === LENGTH ? bytes.subarray(at, at + size) : undefined;
    if (part !== undefined) at += size;
    if (found === undefined) continue;
    const [name, [, type]] = found;
    if (part === undefined) value[name] = size;
    else value[name] = typeof type === 'string' ? part.toString() : decodeMessage(type, part);
  }
  return value;
}
