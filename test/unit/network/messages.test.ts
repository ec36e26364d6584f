import { deepEqual, equal, notEqual } from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { formatAddress } from '../../../src/base/addresses.ts';
import {
  decodeMessage,
  describeMessage,
  encodeMessage,
  MESSAGE_KINDS,
  type Message,
} from '../../../src/network/messages/messages.ts';
import { readFrames } from '../../../src/network/netlink.ts';

const mac = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
  .map(bytes => bytes.map(byte => byte.toString(16).padStart(2, '0')).join(':'));
const name = fc.stringMatching(/^[a-z][a-z0-9.]{0,14}$/);
const index = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const mtu = fc.integer({ min: 68, max: 65535 });
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map(value => formatAddress({ family: 'IPv4', value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(value => formatAddress({ family: 'IPv6', value })),
);
const link = fc.oneof(name, index);
const flag = fc.constantFrom(0, 1);
const setting = { requiredKeys: [], noNullPrototype: true };

/** Any message of each kind. */
const MESSAGES: { readonly [K in Message['kind']]: fc.Arbitrary<Extract<Message, { readonly kind: K }>> } = {
  newVeth: fc.record({
    kind: fc.constant('newVeth'),
    name,
    mac,
    mtu,
    peer: fc.record({ name, mac, mtu, netns: fc.nat() }),
  }),
  setLink: fc.record(
    {
      kind: fc.constant('setLink'),
      index,
      hasNoLinkLocal: fc.constant(true),
      isUp: fc.constant(true),
      ipv4: fc
        .record({ forwarding: flag, accept_redirects: flag, rp_filter: flag, route_localnet: flag }, setting)
        .filter(ipv4 => Object.keys(ipv4).length > 0),
    },
    { requiredKeys: ['kind', 'index'], noNullPrototype: true },
  ),
  deleteLink: fc.record({ kind: fc.constant('deleteLink'), link }),
  getLink: fc.record({ kind: fc.constant('getLink'), link }),
  listLinks: fc.record({ kind: fc.constant('listLinks') }),
  newAddress: fc.record({
    kind: fc.constant('newAddress'),
    index,
    address,
    prefixLength: fc.integer({ min: 0, max: 128 }),
    scope: fc.constantFrom('global', 'link'),
  }),
  listAddresses: fc.record({ kind: fc.constant('listAddresses') }),
  newHostRoute: fc.record({ kind: fc.constant('newHostRoute'), destination: address, index }),
  deleteHostRoute: fc.record({ kind: fc.constant('deleteHostRoute'), destination: address, index }),
  newDefaultRoute: fc.record({ kind: fc.constant('newDefaultRoute'), gateway: address, index }),
  getRoute: fc.record({ kind: fc.constant('getRoute'), destination: address }),
  newNeighbour: fc.record({ kind: fc.constant('newNeighbour'), index, address, mac }),
} as never;

for (const kind of MESSAGE_KINDS) {
  t.test(`${kind}: what is encoded is decoded to the same`, t => {
    fc.assert(
      fc.property(MESSAGES[kind], fc.nat(), (message, sequence) => {
        const bytes = encodeMessage(message, sequence);
        const [frame, another] = readFrames(bytes);
        equal(another, undefined);
        equal(frame?.sequence, sequence);
        equal(bytes.length % 4, 0);
        deepEqual(frame && decodeMessage(frame), structuredClone(message));
        notEqual(describeMessage(message), '');
      }),
    );
    t.pass('any of them');
    t.end();
  });
}

const EXAMPLES: readonly Message[] = [
  {
    kind: 'newVeth',
    name: 'ps0123abcd456',
    mac: '02:23:45:67:89:9a',
    mtu: 1500,
    peer: { name: 'eth0', mac: '06:23:45:67:89:9a', mtu: 1500, netns: 21 },
  },
  { kind: 'setLink', index: 7, ipv4: { forwarding: 1, accept_redirects: 0, rp_filter: 1 } },
  { kind: 'setLink', index: 7, ipv4: { route_localnet: 1 } },
  { kind: 'setLink', index: 2, hasNoLinkLocal: true },
  { kind: 'setLink', index: 2, isUp: true },
  { kind: 'setLink', index: 2, hasNoLinkLocal: true, ipv4: { rp_filter: 1 }, isUp: true },
  { kind: 'deleteLink', link: 7 },
  { kind: 'deleteLink', link: 'ps0123abcd456' },
  { kind: 'getLink', link: 7 },
  { kind: 'getLink', link: 'ps0123abcd456' },
  { kind: 'listLinks' },
  { kind: 'newAddress', index: 2, address: '10.244.0.1', prefixLength: 32, scope: 'global' },
  { kind: 'newAddress', index: 7, address: '169.254.1.1', prefixLength: 32, scope: 'link' },
  { kind: 'newAddress', index: 2, address: 'fd00::1', prefixLength: 128, scope: 'global' },
  { kind: 'listAddresses' },
  { kind: 'newHostRoute', destination: '10.244.0.1', index: 7 },
  { kind: 'newHostRoute', destination: 'fd00::1', index: 7 },
  { kind: 'deleteHostRoute', destination: '10.244.0.1', index: 7 },
  { kind: 'newDefaultRoute', gateway: '169.254.1.1', index: 2 },
  { kind: 'newDefaultRoute', gateway: 'fe80::1', index: 2 },
  { kind: 'getRoute', destination: '10.244.0.1' },
  { kind: 'newNeighbour', index: 7, address: '10.244.0.1', mac: '06:23:45:67:89:9a' },
  { kind: 'newNeighbour', index: 2, address: 'fe80::1', mac: '02:23:45:67:89:9a' },
];

const GOLDEN = 'test/unit/network/messages.golden.txt';

/** Four bytes a word, eight words a line. */
const hex = (bytes: Uint8Array): string =>
  (
    Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,64}/g) ?? []
  )
    .map(line => `  ${(line.match(/.{1,8}/g) ?? []).join(' ')}\n`)
    .join('');

t.test('every message, in words and in bytes', t => {
  const text = EXAMPLES.map(one => `${describeMessage(one)}\n${hex(encodeMessage(one, 1))}`).join('');
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(GOLDEN, text);
  t.equal(text, readFileSync(GOLDEN, 'utf8'));
  t.strictSame(
    [...new Set(EXAMPLES.map(({ kind }) => kind))].sort(),
    [...MESSAGE_KINDS].sort(),
    'of every kind',
  );
  t.end();
});

t.test('what is not ours is not read', t => {
  const [frame] = readFrames(encodeMessage({ kind: 'getLink', link: 1 }, 1));
  if (frame === undefined) throw new Error('no frame');
  t.equal(decodeMessage({ ...frame, type: 99 }), undefined);
  t.equal(decodeMessage({ ...frame, flags: 0 }), undefined);
  t.end();
});
