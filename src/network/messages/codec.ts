import type { Attribute, AttributeMap } from '../netlink.ts';

/** How one kind of message is put into bytes, read back, and said in words. */
export interface Codec<M> {
  /** RTM_*, and the NLM_F_* flags beside NLM_F_REQUEST and NLM_F_ACK; together they tell kinds apart. */
  readonly type: number;
  readonly flags: number;
  readonly structSize: number;
  encode(message: M): { readonly struct: Uint8Array; readonly attributes: readonly Attribute[] };
  decode(struct: DataView, attributes: AttributeMap): M;
  /** In the words of ip(8), as far as it has them. */
  describe(message: M, names: Names): string;
}

/** What the numbers in a message stand for. */
export interface Names {
  device(index: number): string;
  netns(fd: number): string;
}
