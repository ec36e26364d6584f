import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { readPrivate, writePrivate } from '../private-file.ts';
import { type KeyPair, makeAuthority, makeServerCertificate } from './certificate.ts';

const AUTHORITY = 'podspace-ca';
const AUTHORITY_DAYS = 3650;
const SERVER_DAYS = 365;
/** Milliseconds before its end that a certificate is made anew. */
const RENEWAL = 30 * 86_400_000;

/** What a server of the agent shows, and what its clients know it by. */
export interface ServerTls extends KeyPair {
  readonly authority: string;
}

/** The certificate of the server at an address, made when it is first asked for, and again before it ends. */
export function serverTls(directory: string, address: string): ServerTls {
  const authority = keptPair(join(directory, 'ca'), isCurrent, () =>
    makeAuthority(AUTHORITY, AUTHORITY_DAYS),
  );
  const hosts = [...new Set([address, '127.0.0.1', '::1', 'localhost'])];
  const server = keptPair(
    join(directory, 'server'),
    cert =>
      isCurrent(cert) &&
      cert.verify(new X509Certificate(authority.cert).publicKey) &&
      cert.checkIP(address) !== undefined,
    () =>
      makeServerCertificate({ subject: AUTHORITY, key: createPrivateKey(authority.key) }, hosts, SERVER_DAYS),
  );
  return { ...server, authority: authority.cert };
}

const isCurrent = (cert: X509Certificate): boolean => Date.parse(cert.validTo) - Date.now() > RENEWAL;

function keptPair(path: string, isGood: (cert: X509Certificate) => boolean, make: () => KeyPair): KeyPair {
  const [cert, key] = [readPrivate(`${path}.crt`), readPrivate(`${path}.key`)];
  if (cert !== undefined && key !== undefined && isUsable(cert, key, isGood)) return { cert, key };
  const made = make();
  writePrivate(`${path}.key`, made.key);
  writePrivate(`${path}.crt`, made.cert);
  return made;
}

/** A file that is damaged counts as none. */
function isUsable(cert: string, key: string, isGood: (cert: X509Certificate) => boolean): boolean {
  try {
    const parsed = new X509Certificate(cert);
    return parsed.checkPrivateKey(createPrivateKey(key)) && isGood(parsed);
  } catch {
    return false;
  }
}
