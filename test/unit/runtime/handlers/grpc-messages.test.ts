import fc from 'fast-check';
import t from 'tap';
import {
  codeName,
  codeOfHttp,
  decodeAnswer,
  decodeDescription,
  encodeCheck,
  MAX_MESSAGE,
} from '../../../../src/runtime/handlers/grpc-messages.ts';

const frame = (message: readonly number[], length = message.length): Buffer => {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, Buffer.from(message)]);
};

t.test('the question', t => {
  t.equal(encodeCheck('').toString('hex'), '0000000000');
  t.equal(encodeCheck('a.B').toString('hex'), `00000000050a03${Buffer.from('a.B').toString('hex')}`);
  const long = encodeCheck('x'.repeat(300));
  t.equal(long.subarray(0, 8).toString('hex'), '000000012f0aac02');
  t.equal(long.length, 308);
  t.end();
});

t.test('answers', t => {
  const cases: readonly (readonly [readonly number[], string])[] = [
    [[8, 1], 'SERVING'],
    [[], 'UNKNOWN'],
    [[8, 2], 'NOT_SERVING'],
    [[8, 3], 'SERVICE_UNKNOWN'],
    [[8, 77], '77'],
    [[8, 2, 8, 1], 'SERVING'],
    [[0x12, 2, 9, 9, 8, 1], 'SERVING'],
    [[0x15, 1, 2, 3, 4, 8, 1], 'SERVING'],
    [[0x11, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1], 'SERVING'],
    [[0x18, 0xff, 0x01, 8, 1], 'SERVING'],
  ];
  for (const [message, status] of cases) t.same(decodeAnswer(frame(message)), { status }, `${message}`);
  t.end();
});

t.test('what is none', t => {
  t.equal(decodeAnswer(Buffer.alloc(4)), undefined);
  t.equal(decodeAnswer(frame([8], 2)), undefined, 'more must come');
  t.match(decodeAnswer(frame([8, 1], MAX_MESSAGE + 1)), { code: 'ResourceExhausted' });
  t.match(decodeAnswer(frame([], 0xffffffff)), { code: 'ResourceExhausted' });
  t.match(decodeAnswer(Buffer.of(1, 0, 0, 0, 0)), { code: 'Internal' });
  for (const message of [[8], [0], [0x0b], [0x12, 200, 1], [8, ...Array<number>(11).fill(0xff)], [0x0f, 1]])
    t.match(decodeAnswer(frame(message)), { code: 'Internal' }, `${message}`);
  t.end();
});

t.test('any bytes: an answer, an error, or nothing yet', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      const answer = decodeAnswer(Buffer.from(bytes));
      const framed = decodeAnswer(frame([...bytes]));
      return framed !== undefined && (answer === undefined || typeof answer === 'object');
    }),
  );
  t.end();
});

t.test('codes and descriptions', t => {
  t.same(['0', '5', '12', '16', '17', '-1', 'x', ''].map(codeName), [
    'OK',
    'NotFound',
    'Unimplemented',
    'Unauthenticated',
    'Code(17)',
    'Unknown',
    'Unknown',
    'Unknown',
  ]);
  t.same([404, 503, 500].map(codeOfHttp), ['Unimplemented', 'Unavailable', 'Unknown']);
  t.equal(decodeDescription('a%20b%C3%A4%zz'), 'a bä%zz');
  t.end();
});
