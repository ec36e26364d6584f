import t from 'tap';
import { partyNamed } from '../../../src/cli/net-party.ts';
import { nodeOf, podAt, serviceOf } from '../network/nodes.ts';

const web = podAt('default/web', '10.244.0.2');
const other = podAt('shop/web', '10.244.0.3');
const db = podAt('shop/db', '10.244.0.4', { ips: ['10.244.0.4', 'fd00::4'] });
const dbs = ['a/x', 'b/x'].map((name, i) => podAt(name, `10.244.0.${8 + i}`));
const onNode = podAt('default/on-node', '192.0.2.1', { hostNetwork: true });
const state = nodeOf({
  pods: [other, web, db, ...dbs, onNode],
  services: [
    serviceOf('shop/db', { clusterIP: '10.96.0.20', clusterIPs: ['10.96.0.20'], ports: [{ port: 80 }] }),
  ],
});
const named = (word: string) => partyNamed(state, word, ['192.0.2.1', '127.0.0.1']);

t.test('words of net test', t => {
  for (const word of ['web', 'default/web', '10.244.0.2', web.uid])
    t.same(named(word), { kind: 'pod', pod: web }, word);
  for (const word of ['db', 'shop/db', 'fd00::4', '[fd00:0::4]'])
    t.same(named(word), { kind: 'pod', pod: db }, word);
  t.same(named('shop/web'), { kind: 'pod', pod: other });
  t.same(named('on-node'), { kind: 'pod', pod: onNode });
  for (const word of ['node', '192.0.2.1']) t.same(named(word), { kind: 'node' }, word);
  t.same(named('[fd00:9:0::2]'), { kind: 'address', address: 'fd00:9::2' });
  for (const word of ['1.2.3', 'a.b', 'nope', '300.1.1.1', 'shop/nope'])
    t.throws(() => named(word), { message: `pods "${word}" not found` }, word);
  t.throws(() => named('x'), { message: 'there are several pods "x": a/x, b/x' });
  t.throws(() => named('10.96.0.20'), { message: /^10\.96\.0\.20 is the address of Service shop\/db: / });
  t.end();
});
