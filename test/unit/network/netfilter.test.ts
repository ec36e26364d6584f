import t from 'tap';
import { applyState } from '../../../src/network/apply.ts';
import {
  deleteFlow,
  deleteTable,
  getChain,
  getFlows,
  getGeneration,
  readFlow,
  readGeneration,
} from '../../../src/network/netfilter.ts';
import { nodeOf, podAt } from './nodes.ts';

/** Bytes as people compare them: groups of four. */
const hex = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/(.{8})(?=.)/g, '$1 ');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

t.test('is a chain there', t => {
  t.equal(
    hex(getChain('podspace', 'x')),
    [
      '2c000000 040a0500 00000000 00000000', // 44 bytes, NFT_MSG_GETCHAIN, REQUEST|ACK
      '01000000', // NFPROTO_INET
      '0d000100 706f6473 70616365 00000000', // NFTA_CHAIN_TABLE "podspace"
      '06000300 78000000', // NFTA_CHAIN_NAME "x"
    ].join(' '),
  );
  t.end();
});

t.test('which flows are there', t => {
  t.equal(hex(getFlows()), '14000000 01010103 00000000 00000000 00000000');
  t.end();
});

/** A flow as the kernel tells it: 192.0.2.2:5353 asked 192.0.2.1:9000, which leads to 10.244.0.2:81. */
const TUPLE = `
  34000180
    14000180 08000100 c0000202 08000200 c0000201
    1c000280 05000100 11000000 06000200 14e90000 06000300 23280000`;
const MESSAGE = bytes(`
  8c000000 00010200 00000000 00000000 02000000
  ${TUPLE}
  34000280
    14000180 08000100 0af40002 08000200 c0000202
    1c000280 05000100 11000000 06000200 00510000 06000300 14e90000
  08000300 00000188
  08000c00 12345678`);

t.test('a flow', t => {
  const flow = readFlow(MESSAGE);
  t.match(flow, {
    family: 'IPv4',
    protocol: 17,
    source: '192.0.2.2',
    destination: '192.0.2.1',
    port: 9000,
    server: '10.244.0.2',
    serverPort: 81,
  });
  t.equal(
    flow && hex(deleteFlow(flow)),
    hex(bytes(`50000000 02010500 00000000 00000000 02000000 ${TUPLE} 08000c00 12345678`)),
    'it is forgotten by what it is and by its id',
  );
  const v6 = Uint8Array.from(MESSAGE);
  t.equal(readFlow(v6.subarray(0, 60)), undefined, 'cut short');
  t.equal(readFlow(v6.subarray(0, 20)), undefined, 'empty');
  t.equal(readFlow(Uint8Array.from(v6, (byte, i) => (i === 26 ? 9 : byte))), undefined, 'without an address');
  t.end();
});

t.test('IPv6', t => {
  const address = (last: string): string => `fd000010 02440000 00000000 000000${last}`;
  const tuple = (type: string, from: string, to: string, source: string, port: string): string =>
    `4c00${type}80 2c000180 14000300 ${address(from)} 14000400 ${address(to)} 1c000280 05000100 11000000 06000200 ${source}0000 06000300 ${port}0000`;
  const flow = readFlow(
    bytes(
      `00000000 00000000 00000000 00000000 0a000000 ${tuple('01', '02', '03', '1770', '0035')} ${tuple('02', '04', '02', '0036', '1770')}`,
    ),
  );
  t.match(flow, {
    family: 'IPv6',
    source: 'fd00:10:244::2',
    destination: 'fd00:10:244::3',
    port: 53,
    server: 'fd00:10:244::4',
    serverPort: 54,
  });
  t.end();
});

t.test('a table goes in a transaction', t => {
  t.equal(
    hex(deleteTable('podspace')),
    [
      '14000000 10000100 00000000 00000000', // NFNL_MSG_BATCH_BEGIN
      '0000000a', // of NFNL_SUBSYS_NFTABLES
      '24000000 020a0500 00000000 00000000', // NFT_MSG_DELTABLE, REQUEST|ACK
      '01000000', // NFPROTO_INET
      '0d000100 706f6473 70616365 00000000', // NFTA_TABLE_NAME "podspace"
      '14000000 11000100 00000000 00000000', // NFNL_MSG_BATCH_END
      '0000000a',
    ].join(' '),
  );
  t.end();
});

t.test('the number of the last change', t => {
  const question = [
    '14000000 100a0500 00000000 00000000', // NFT_MSG_GETGEN, REQUEST|ACK
    '00000000', // AF_UNSPEC
  ];
  t.equal(hex(getGeneration()), question.join(' '));
  const answer = '1c000000 0f0a0000 00000000 00000000 00000000 08000100 00000102';
  t.equal(readGeneration(bytes(answer)), 0x102);
  t.end();
});

t.test('a kernel without netfilter has no rules, which is no crash', t => {
  const fails = (code: string) => (): never => {
    throw Object.assign(new Error(code), { code });
  };
  const state = nodeOf({ pods: [podAt('x/a', '10.244.0.2')] });
  for (const code of ['EPROTONOSUPPORT', 'EAFNOSUPPORT'])
    t.throws(() => applyState(state, { open: fails(code) }), { name: 'UserError', message: /no netfilter/ });
  t.throws(() => applyState(state, { open: fails('EMFILE') }), { message: 'EMFILE' });
  t.end();
});
