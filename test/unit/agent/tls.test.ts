import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeAuthority, makeServerCertificate } from '../../../src/agent/tls/certificate.ts';
import { integer, oid, time } from '../../../src/agent/tls/der.ts';
import { serverTls } from '../../../src/agent/tls/pki.ts';
import { Tokens } from '../../../src/agent/tokens.ts';

t.test('DER', t => {
  t.equal(oid('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
  t.equal(integer(Buffer.of(0, 0, 0x80)).toString('hex'), '02020080', 'positive');
  t.equal(integer(Buffer.of(0)).toString('hex'), '020100');
  t.equal(time(new Date('2049-12-31T23:59:59Z')).toString('latin1').slice(2), '491231235959Z');
  t.equal(time(new Date('2050-01-01T00:00:00Z')).toString('latin1').slice(2), '20500101000000Z');
  t.end();
});

t.test('an authority, and a server that it vouches for', t => {
  const ca = makeAuthority('test-ca', 10);
  const authority = new X509Certificate(ca.cert);
  t.ok(authority.ca);
  t.ok(authority.verify(authority.publicKey));
  const key = createPrivateKey(ca.key);
  const made = makeServerCertificate({ subject: 'test-ca', key }, ['127.0.0.1', '::1', 'localhost'], 5);
  const server = new X509Certificate(made.cert);
  t.notOk(server.ca);
  t.ok(server.checkIssued(authority));
  t.ok(server.verify(authority.publicKey));
  t.ok(server.checkPrivateKey(createPrivateKey(made.key)));
  t.equal(server.checkIP('127.0.0.1'), '127.0.0.1');
  t.ok(server.checkIP('::1'));
  t.equal(server.checkHost('localhost'), 'localhost');
  t.equal(server.checkIP('127.0.0.2'), undefined);
  const days = (Date.parse(server.validTo) - Date.now()) / 86_400_000;
  t.ok(days > 4.9 && days <= 5);
  t.end();
});

t.test('certificates are kept, and made anew where they are of no use', t => {
  const directory = t.testdir();
  const first = serverTls(directory, '127.0.0.1');
  t.strictSame(serverTls(directory, '127.0.0.1'), first);
  const other = serverTls(directory, '127.1.2.3');
  t.equal(other.authority, first.authority, 'clients go on');
  t.not(other.cert, first.cert, 'for another address');
  writeFileSync(join(directory, 'server.crt'), 'damaged');
  t.ok(new X509Certificate(serverTls(directory, '127.1.2.3').cert).checkIP('127.1.2.3'));
  writeFileSync(join(directory, 'ca.key'), makeAuthority('another', 10).key);
  const anew = serverTls(directory, '127.1.2.3');
  t.not(anew.authority, first.authority, 'a key that is not its own');
  t.ok(new X509Certificate(anew.cert).verify(new X509Certificate(anew.authority).publicKey));
  t.end();
});

t.test('tokens', t => {
  const file = join(t.testdir(), 'tokens.json');
  const tokens = new Tokens(file);
  const token = tokens.create('bob', ['dev']);
  t.ok(token.length >= 43);
  t.strictSame(new Tokens(file).find(token), { name: 'bob', groups: ['dev', 'system:authenticated'] });
  t.equal(tokens.find(`${token}x`), undefined);
  t.equal(tokens.find(''), undefined);
  t.notOk(readFileSync(file, 'utf8').includes(token));
  t.equal(tokens.revoke('eve'), 0);
  t.equal(tokens.revoke('bob'), 1);
  t.equal(new Tokens(file).find(token), undefined);
  writeFileSync(file, '[{');
  t.throws(() => new Tokens(file), { name: 'UserError' }, 'nobody gets in by a file that cannot be read');
  t.end();
});
