import { isIPAddress } from '../../kube/names.ts';
import { type DnsRecord, type Records, records, soaOf, TTL } from './records.ts';
import type { ZoneState } from './state.ts';

export interface Question {
  /** Without a dot at its end; upper case is like lower case. */
  readonly name: string;
  /** `A`, `SRV`…, `ANY`. */
  readonly type: string;
}

/** What the cluster's own names say to a question. */
export interface Answer {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'SERVFAIL';
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** A name that is not the cluster's, where the question goes on: its own, or what a CNAME leads to. */
  readonly elsewhere?: string;
}

/** The records of a state are made once, with the first question. */
const cache = new WeakMap<ZoneState, Records>();

function recordsOf(state: ZoneState): Records {
  let found = cache.get(state);
  if (found === undefined) {
    found = records(state);
    cache.set(state, found);
  }
  return found;
}

/** ExternalName services that name each other: more of them than anybody has in earnest. */
const MAX_CNAMES = 8;

/** Answers from the state alone. NXDOMAIN is for names that do not exist, NOERROR without records for those that do. */
export function answer({ name, type }: Question, state: ZoneState): Answer {
  const domain = state.domain.toLowerCase();
  const all = recordsOf(state);
  const aliases: DnsRecord[] = [];
  for (let at = name.toLowerCase(); aliases.length <= MAX_CNAMES; ) {
    const found = all.get(at) ?? podRecords(at, domain, all);
    const isOurs = at === domain || at.endsWith(`.${domain}`);
    if (found === undefined && !isOurs)
      return { ...reply('NOERROR', aliases), elsewhere: aliases.length === 0 ? name : at };
    const authorities = isOurs ? [soaOf(domain)] : [];
    if (found === undefined) return { ...reply('NXDOMAIN', aliases), authorities };
    const matching = found.filter(record => record.type === type || type === 'ANY');
    const alias = found.find(record => record.type === 'CNAME');
    if (matching.length > 0)
      return { ...reply('NOERROR', [...aliases, ...matching]), additionals: addressesOf(matching, all) };
    if (alias?.type !== 'CNAME') return { ...reply('NOERROR', aliases), authorities };
    aliases.push(alias);
    at = alias.data;
  }
  return reply('SERVFAIL', []);
}

function reply(rcode: Answer['rcode'], answers: readonly DnsRecord[]): Answer {
  return { rcode, answers, authorities: [], additionals: [] };
}

/**
 * `10-244-0-7.NS.pod.DOMAIN` is 10.244.0.7, whether there is such a pod or not (specification §2.6; CoreDNS as kubeadm sets
 * it up, "pods insecure"): the name says it all, only the namespace must exist.
 */
function podRecords(name: string, domain: string, all: Records): readonly DnsRecord[] | undefined {
  const suffix = `.pod.${domain}`;
  const [label = '', namespace, ...rest] = name.endsWith(suffix)
    ? name.slice(0, -suffix.length).split('.')
    : [];
  if (namespace === undefined || rest.length > 0 || !all.has(`${namespace}${suffix}`)) return undefined;
  const isIPv4 = /^\d+(-\d+){3}$/.test(label);
  const ip = label.replaceAll('-', isIPv4 ? '.' : ':');
  return isIPAddress(ip) ? [{ name, ttl: TTL, type: isIPv4 ? 'A' : 'AAAA', data: ip }] : undefined;
}

/** What the servers' names stand for, so that nobody has to ask again. */
function addressesOf(found: readonly DnsRecord[], all: Records): readonly DnsRecord[] {
  const names = found.flatMap(record =>
    record.type === 'SRV' ? [record.data.target] : record.type === 'NS' ? [record.data] : [],
  );
  return [...new Set(names)].flatMap(name =>
    (all.get(name) ?? []).filter(({ type }) => type === 'A' || type === 'AAAA'),
  );
}
