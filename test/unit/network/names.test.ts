import { equal, match, notEqual, ok } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { isUid, linkNames } from '../../../src/network/names.ts';

t.test('a pod’s link is called after its uid', t => {
  t.strictSame(linkNames('0123abcd-4567-489a-bcde-f0123456789a'), {
    name: 'ps0123abcd456',
    nodeMac: '02:12:34:56:78:9a',
    podMac: '06:12:34:56:78:9a',
  });
  t.end();
});

t.test('names fit into IFNAMSIZ, and MAC addresses are nobody’s', t => {
  fc.assert(
    fc.property(fc.uuid({ version: 4 }), uid => {
      const { name, nodeMac, podMac } = linkNames(uid);
      ok(name.length < 16);
      notEqual(nodeMac, podMac);
      for (const mac of [nodeMac, podMac]) {
        match(mac, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
        equal(Number.parseInt(mac, 16) & 3, 2, 'locally administered, one device');
      }
    }),
  );
  t.pass('any uid');
  t.end();
});

t.test('what is no uid has no link', t => {
  for (const word of ['', 'x', '.0123abcd-4567-489a-bcde-f0123456789', '0123']) t.notOk(isUid(word), word);
  t.throws(() => linkNames('../x'), /bug/);
  t.end();
});
