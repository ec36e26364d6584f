import fc from 'fast-check';
import t from 'tap';
import { ERRNO, NLM_F, NLMSG } from '../../../src/linux/constants.generated.ts';
import {
  type Attribute,
  concat,
  encodeAttributes,
  encodeFrame,
  type ReceivedFrame,
  readAnswer,
  readAttributes,
  readFrames,
  readText,
  text,
  u32,
} from '../../../src/network/netlink.ts';

t.test('attributes are filled up to four bytes, and nested ones say that they are', t => {
  const attributes: readonly Attribute[] = [
    { type: 3, value: text('eth0') },
    { type: 18, value: [{ type: 1, value: Uint8Array.of(7) }] },
  ];
  t.equal(
    Buffer.from(encodeAttributes(attributes)).toString('hex'),
    '090003006574683000000000' + '0c001280' + '0500010007000000',
  );
  const read = readAttributes(encodeAttributes(attributes));
  t.equal(readText(read.get(3)), 'eth0');
  t.strictSame([...(readAttributes(read.get(18) ?? new Uint8Array()).get(1) ?? [])], [7]);
  t.end();
});

t.test('any bytes can be read without an exception', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      readAttributes(bytes);
      for (const frame of readFrames(bytes)) readAnswer(frame);
    }),
    { numRuns: 1000 },
  );
  t.pass('1000 texts of bytes');
  t.end();
});

/** An acknowledgement as the kernel writes it: the errno, the header of what it is about, its payload if that is sent back, words. */
function ack(errno: number, { payload = '', words = '', isCapped = true }): ReceivedFrame {
  const request = encodeFrame({ type: 16, flags: 5, struct: text(payload), attributes: [] }, 9);
  const echoed = isCapped ? request.subarray(0, 16) : request;
  const said = words === '' ? [] : [{ type: NLMSG.NLMSGERR_ATTR_MSG, value: text(words) }];
  return {
    type: NLMSG.NLMSG_ERROR,
    flags: (words === '' ? 0 : NLM_F.NLM_F_ACK_TLVS) | (isCapped ? NLM_F.NLM_F_CAPPED : 0),
    sequence: 9,
    body: concat([u32(-errno), echoed, encodeAttributes(said)]),
  };
}

t.test('answers: success, an errno, the kernel’s words', t => {
  const end = (errno: number, words = '') => ({ kind: 'end', sequence: 9, errno, words });
  t.strictSame(readAnswer(ack(0, {})), end(0));
  t.strictSame(readAnswer(ack(ERRNO.EEXIST, {})), end(ERRNO.EEXIST));
  t.strictSame(
    readAnswer(ack(ERRNO.EINVAL, { words: 'Nexthop has invalid gateway' })),
    end(ERRNO.EINVAL, 'Nexthop has invalid gateway'),
  );
  const long = { payload: 'of some length', words: 'w', isCapped: false };
  t.strictSame(readAnswer(ack(ERRNO.EPERM, long)), end(ERRNO.EPERM, 'w'));
  t.end();
});

t.test('a list: parts, and its end, which can be an error too', t => {
  const part = { type: 16, flags: NLM_F.NLM_F_MULTI, sequence: 9, body: Uint8Array.of(1, 2, 3, 4) };
  t.strictSame(readAnswer(part), { kind: 'data', sequence: 9, type: 16, body: part.body });
  const done = { type: NLMSG.NLMSG_DONE, flags: NLM_F.NLM_F_MULTI, sequence: 9, body: u32(0) };
  t.strictSame(readAnswer(done), { kind: 'end', sequence: 9, errno: 0, words: '' });
  const failed = { ...done, body: u32(-ERRNO.EMSGSIZE) };
  t.strictSame(readAnswer(failed), { kind: 'end', sequence: 9, errno: ERRNO.EMSGSIZE, words: '' });
  t.end();
});

t.test('several messages in one datagram', t => {
  const frames = [1, 2, 3].map(sequence =>
    encodeFrame({ type: 20, flags: 0, struct: text('x'.repeat(sequence)), attributes: [] }, sequence),
  );
  t.strictSame(
    readFrames(concat(frames)).map(({ sequence }) => sequence),
    [1, 2, 3],
  );
  t.equal(readFrames(concat(frames).subarray(0, -4)).length, 2, 'what is cut short is not read');
  t.end();
});
