import { newUid } from './uid.ts';

/** The letters that the API server uses: no word comes of them (k8s.io/apimachinery/pkg/util/rand). */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/** A name that begins with an object's `generateName`. */
export function generateName(beginning: string): string {
  const bytes = Buffer.from(newUid().replaceAll('-', ''), 'hex');
  const suffix = [...bytes.subarray(0, 5)].map(byte => LETTERS[byte % LETTERS.length]).join('');
  return `${beginning}${suffix}`;
}
