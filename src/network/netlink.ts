import { NLA, NLM_F, NLMSG } from '../linux/constants.generated.ts';

/**
 * Netlink messages as bytes, netlink(7): a header, the subject's own fixed struct, attributes. Numbers are in the order of
 * the machine, which is little-endian on both architectures.
 */

/** A value of bytes, or attributes in it. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array | readonly Attribute[];
}

/** A message whose meaning is not looked at yet. `struct` is the fixed part, as `struct ifinfomsg`. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly struct: Uint8Array;
  readonly attributes: readonly Attribute[];
}

export type AttributeMap = ReadonlyMap<number, Uint8Array>;

/** struct nlmsghdr */
const HEADER_SIZE = 16;

/** NLMSG_ALIGN and NLA_ALIGN */
const align = (size: number): number => (size + 3) & ~3;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value, true);
  return bytes;
}

export function readU32(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : viewOf(bytes).getUint32(0, true);
}

/** NUL-terminated text. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

export function readText(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Attributes after one another, each filled up to four bytes; one that holds others says so (NLA_F_NESTED). */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return concat(
    attributes.map(({ type, value }) => {
      const isNested = !(value instanceof Uint8Array);
      const bytes = isNested ? encodeAttributes(value) : value;
      const encoded = new Uint8Array(align(4 + bytes.length));
      const view = viewOf(encoded);
      view.setUint16(0, 4 + bytes.length, true);
      view.setUint16(2, isNested ? type | NLA.NLA_F_NESTED : type, true);
      encoded.set(bytes, 4);
      return encoded;
    }),
  );
}

/** Attributes by type; a later one of the same type counts. What is cut short is not read. */
export function readAttributes(bytes: Uint8Array): AttributeMap {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    found.set(view.getUint16(at + 2, true) & NLA.NLA_TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** A whole message. `sequence` comes back in its answers. */
export function encodeFrame({ type, flags, struct, attributes }: Frame, sequence: number): Uint8Array {
  const header = new Uint8Array(HEADER_SIZE);
  const body = [struct, new Uint8Array(align(struct.length) - struct.length), encodeAttributes(attributes)];
  const message = concat([header, ...body]);
  const view = viewOf(message);
  view.setUint32(0, message.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  return message;
}

/** A message of the kernel's, or one of ours read back. `body` is struct and attributes. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** The messages in one datagram. What is cut short is not read. */
export function readFrames(bytes: Uint8Array): readonly ReceivedFrame[] {
  const frames: ReceivedFrame[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + HEADER_SIZE <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER_SIZE || at + length > bytes.length) break;
    frames.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_SIZE, at + length),
    });
    at += align(length);
  }
  return frames;
}

/** What the kernel says about a message. */
export type Answer =
  /** The end of it: 0 or an errno, and where the kernel has them (NETLINK_EXT_ACK) its words. */
  | { readonly kind: 'end'; readonly sequence: number; readonly errno: number; readonly words: string }
  /** What was asked for; there may be several. */
  | {
      readonly kind: 'data';
      readonly sequence: number;
      readonly type: number;
      readonly body: Uint8Array;
    };

export function readAnswer({ type, flags, sequence, body }: ReceivedFrame): Answer {
  if (type !== NLMSG.NLMSG_ERROR && type !== NLMSG.NLMSG_DONE) return { kind: 'data', sequence, type, body };
  const errno = body.length < 4 ? 0 : -viewOf(body).getInt32(0, true);
  return { kind: 'end', sequence, errno, words: wordsOf(type, flags, body) };
}

/** They stand behind the message that failed: its header only, with NETLINK_CAP_ACK. */
function wordsOf(type: number, flags: number, body: Uint8Array): string {
  if ((flags & NLM_F.NLM_F_ACK_TLVS) === 0) return '';
  if (type === NLMSG.NLMSG_DONE)
    return readText(readAttributes(body.subarray(4)).get(NLMSG.NLMSGERR_ATTR_MSG));
  if (body.length < 4 + HEADER_SIZE) return '';
  const size = (flags & NLM_F.NLM_F_CAPPED) === 0 ? viewOf(body).getUint32(4, true) : HEADER_SIZE;
  return readText(readAttributes(body.subarray(4 + align(size))).get(NLMSG.NLMSGERR_ATTR_MSG));
}
