import t from 'tap';
import { decodeProtobuf } from '../../../../src/agent/api/protobuf/decode.ts';
import { ApiError } from '../../../../src/agent/api-error.ts';

/** A field with bytes, and one with a number. */
const bytes = (number: number, ...parts: readonly (Buffer | string)[]): Buffer => {
  const content = Buffer.concat(parts.map(part => Buffer.from(part)));
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
};
const varint = (value: number): Buffer => {
  const digits: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...digits, rest]);
    digits.push((rest % 128) | 128);
  }
};
const number = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)]);
const object = (apiVersion: string, kind: string, ...fields: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from('k8s\0'), bytes(1, bytes(1, apiVersion), bytes(2, kind)), bytes(2, ...fields)]);

t.test('objects as kubectl sends them', t => {
  const metadata = bytes(1, bytes(1, 'a'), bytes(2, ''), bytes(8), bytes(11, bytes(1, 'k'), bytes(2, 'v')));
  t.same(
    decodeProtobuf(
      object(
        'v1',
        'ConfigMap',
        metadata,
        bytes(2, bytes(1, 'x'), bytes(2, 'y')),
        bytes(2, bytes(1, 'e')),
        number(4, 1),
      ),
    ),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a', labels: { k: 'v' } },
      data: { x: 'y', e: '' },
      immutable: true,
    },
  );
  t.same(
    decodeProtobuf(
      object(
        'v1',
        'Service',
        bytes(1, bytes(1, 's')),
        bytes(2, bytes(1, number(3, 80), bytes(4, number(1, 1), bytes(3, 'http')), number(5, 0))),
      ),
    ),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's' },
      spec: { ports: [{ port: 80, targetPort: 'http' }] },
    },
  );
  t.match(decodeProtobuf(object('v1', 'Secret', bytes(2, bytes(1, 'k'), bytes(2, Buffer.from([0, 255]))))), {
    data: { k: 'AP8=' },
  });
  t.match(
    decodeProtobuf(object('v1', 'DeleteOptions', number(1, 0))),
    { gracePeriodSeconds: 0 },
    'a zero that is set',
  );
  t.end();
});

t.test('what is none', t => {
  const wrong = {
    'no magic': Buffer.from('{"kind": "Pod"}'),
    'an unknown kind': object('v1', 'Pod'),
    'a hostile kind': object('v1', '__proto__'),
    'cut off': object('v1', 'ConfigMap', bytes(1, bytes(1, 'abc'))).subarray(0, -2),
    'an endless number': Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(20, 255)]),
    'a group': Buffer.concat([Buffer.from('k8s\0'), Buffer.of(0x0b)]),
    'a number for a text': object('v1', 'ConfigMap', number(1, 5)),
  };
  for (const [what, message] of Object.entries(wrong))
    t.throws(() => decodeProtobuf(message), ApiError, what);
  t.end();
});
