import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { ADDRESS_BITS, parseAddress } from '../../base/addresses.ts';
import {
  bits,
  boolean,
  context,
  contextPrimitive,
  integer,
  octets,
  oid,
  sequence,
  set,
  time,
  utf8,
} from './der.ts';

/** A certificate and its key, as PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const DAY = 86_400_000;
/** Clocks of others may be behind. */
const EARLIER = 3_600_000;

const nameOf = (commonName: string): Buffer => sequence(set(sequence(oid('2.5.4.3'), utf8(commonName))));

const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value));

const KEY_USAGE = '2.5.29.15';
const digitalSignature = bits(Buffer.of(0x80), 7);
const certSign = bits(Buffer.of(0x06), 1);

interface Request {
  readonly subject: string;
  readonly issuer: string;
  readonly days: number;
  readonly subjectKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly extensions: readonly Buffer[];
}

function certificate({ subject, issuer, days, subjectKey, issuerKey, extensions }: Request): string {
  const now = Date.now();
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = sequence(
    context(0, integer(Buffer.of(2))),
    integer(serial),
    ECDSA_SHA256,
    nameOf(issuer),
    sequence(time(new Date(now - EARLIER)), time(new Date(now + days * DAY))),
    nameOf(subject),
    subjectKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...extensions)),
  );
  const der = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, issuerKey)));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function addressBytes(text: string): Buffer {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`bug in podspace: ${text} is no address`);
  const digits = address.value.toString(16).padStart(ADDRESS_BITS[address.family] / 4, '0');
  return Buffer.from(digits, 'hex');
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;

/** An authority that only this machine's clients are told of. */
export function makeAuthority(subject: string, days: number): KeyPair {
  const { publicKey, privateKey } = newKeys();
  const cert = certificate({
    subject,
    issuer: subject,
    days,
    subjectKey: publicKey,
    issuerKey: privateKey,
    extensions: [
      extension('2.5.29.19', true, sequence(boolean(true), integer(Buffer.of(0)))),
      extension(KEY_USAGE, true, certSign),
    ],
  });
  return { cert, key: pemOf(privateKey) };
}

/** A server's certificate for some names and addresses, from an authority. */
export function makeServerCertificate(
  authority: { readonly subject: string; readonly key: KeyObject },
  hosts: readonly string[],
  days: number,
): KeyPair {
  const { publicKey, privateKey } = newKeys();
  const names = hosts.map(host =>
    isIPv4(host) || isIPv6(host)
      ? contextPrimitive(7, addressBytes(host))
      : contextPrimitive(2, Buffer.from(host)),
  );
  const cert = certificate({
    subject: 'podspace-agent',
    issuer: authority.subject,
    days,
    subjectKey: publicKey,
    issuerKey: authority.key,
    extensions: [
      extension('2.5.29.19', true, sequence()),
      extension(KEY_USAGE, true, digitalSignature),
      extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))),
      extension('2.5.29.17', false, sequence(...names)),
    ],
  });
  return { cert, key: pemOf(privateKey) };
}
