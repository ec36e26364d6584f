/**
 * The names of the cluster's domain: Kubernetes DNS-Based Service Discovery 1.1.0 (github.com/kubernetes/dns,
 * docs/specification.md), and what CoreDNS adds that clients have come to need.
 */
import { familyOf } from '../../base/addresses.ts';
import { isIPAddress } from '../../kube/names.ts';
import type { Service } from '../../kube/types.generated.ts';
import { isHeadless } from '../../kube/validate-cluster-ips.ts';
import { clusterIPsOf } from '../services.ts';
import { protocolOf } from '../state.ts';
import { type Endpoint, endpointsOf } from './endpoints.ts';
import { reverseName } from './reverse-name.ts';
import type { ZoneState } from './state.ts';

/** What a record of each type says. Names have no dot at their end, and no upper case. */
export interface DnsData {
  readonly A: string;
  readonly AAAA: string;
  readonly CNAME: string;
  readonly NS: string;
  readonly PTR: string;
  readonly TXT: string;
  readonly SRV: SrvData;
  readonly SOA: SoaData;
}

export type DnsRecord = { [T in keyof DnsData]: DnsRecordOf<T> }[keyof DnsData];

export interface DnsRecordOf<T extends keyof DnsData> {
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  readonly type: T;
  readonly data: DnsData[T];
}

export interface SrvData {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

export interface SoaData {
  readonly mname: string;
  readonly rname: string;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

/** By name. A name without a record exists all the same: it has others below it (RFC 8020). */
export type Records = ReadonlyMap<string, readonly DnsRecord[]>;

/** CoreDNS: the kubernetes plugin's own, in seconds. */
export const TTL = 5;
const VERSION = { ttl: 28_800, data: '1.1.0' };

class Collector {
  readonly all = new Map<string, DnsRecord[]>();
  readonly #seen = new Set<string>();
  readonly #domain: string;

  constructor(domain: string) {
    this.#domain = domain;
  }

  add<T extends keyof DnsData>(name: string, type: T, data: DnsData[T], ttl = TTL): void {
    const key = `${name} ${type} ${typeof data === 'string' ? data : JSON.stringify(data)}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#at(name).push({ name, ttl, type, data } as DnsRecord);
  }

  /** Makes a name exist, and those that it is below of. */
  #at(name: string): DnsRecord[] {
    const found = this.all.get(name);
    if (found !== undefined) return found;
    const made: DnsRecord[] = [];
    this.all.set(name, made);
    if (name.endsWith(`.${this.#domain}`)) this.#at(name.slice(name.indexOf('.') + 1));
    return made;
  }

  addName(name: string): void {
    this.#at(name);
  }
}

/** Every name of a state, with its records. */
export function records(state: ZoneState): Records {
  const domain = state.domain.toLowerCase();
  const found = new Collector(domain);
  addDomain(found, domain, state.serverIPs);
  const namespaces = [
    ...state.namespaces,
    ...state.pods.map(pod => pod.namespace),
    ...state.services.map(namespaceOf),
  ];
  for (const namespace of new Set(namespaces))
    for (const kind of ['svc', 'pod']) found.addName(`${namespace}.${kind}.${domain}`);
  for (const service of state.services) addService(found, domain, service, endpointsOf(service, state.pods));
  return found.all;
}

const namespaceOf = ({ metadata }: Service): string => metadata?.namespace ?? 'default';

/** Says how long it may be remembered that there is no such name. */
export function soaOf(domain: string): DnsRecordOf<'SOA'> {
  return {
    name: domain,
    ttl: TTL,
    type: 'SOA',
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      // Nobody transfers the zone.
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL,
    },
  };
}

function addDomain(found: Collector, domain: string, serverIPs: readonly string[]): void {
  found.add(domain, 'SOA', soaOf(domain).data);
  for (const kind of ['svc', 'pod']) found.addName(`${kind}.${domain}`);
  found.add(`dns-version.${domain}`, 'TXT', VERSION.data, VERSION.ttl);
  if (serverIPs.length > 0) found.add(domain, 'NS', `ns.dns.${domain}`);
  for (const ip of serverIPs) addAddress(found, `ns.dns.${domain}`, ip);
}

function addService(
  found: Collector,
  domain: string,
  service: Service,
  endpoints: readonly Endpoint[],
): void {
  const { spec = {} } = service;
  const name = `${service.metadata?.name}.${namespaceOf(service)}.svc.${domain}`;
  if (spec.type === 'ExternalName') {
    const target = (spec.externalName ?? '').toLowerCase().replace(/\.$/, '');
    // CoreDNS has nothing for an address there either.
    if (isDnsName(target) && !isIPAddress(target)) found.add(name, 'CNAME', target);
    return;
  }
  for (const { hostname, ip } of endpoints) {
    addAddress(found, `${hostname}.${name}`, ip);
    found.add(reverseName(ip), 'PTR', `${hostname}.${name}`);
  }
  if (isHeadless(spec)) {
    for (const { ip } of endpoints) addAddress(found, name, ip);
    addServers(
      found,
      name,
      endpoints.flatMap(({ hostname, ports }) =>
        ports.map(port => ({ ...port, target: `${hostname}.${name}` })),
      ),
    );
    return;
  }
  const clusterIPs = clusterIPsOf(service);
  for (const ip of clusterIPs) {
    addAddress(found, name, ip);
    found.add(reverseName(ip), 'PTR', name);
  }
  if (clusterIPs.length > 0)
    addServers(
      found,
      name,
      (spec.ports ?? []).map(({ name: port, protocol, port: number }) => ({
        name: port,
        protocol: protocolOf(protocol),
        port: number,
        target: name,
      })),
    );
}

function addAddress(found: Collector, name: string, ip: string): void {
  found.add(name, familyOf(ip) === 'IPv6' ? 'AAAA' : 'A', ip);
}

interface Server {
  readonly name: string | undefined;
  readonly protocol: string;
  readonly port: number;
  readonly target: string;
}

/** Named ports have a name of their own. The Service's name has all of them: peer finders of stateful sets ask for that. */
function addServers(found: Collector, service: string, servers: readonly Server[]): void {
  const byName = new Map<string, Server[]>([[service, [...servers]]]);
  for (const server of servers) {
    if (server.name === undefined || server.name === '') continue;
    const name = `_${server.name}._${server.protocol}.${service}`.toLowerCase();
    byName.set(name, [...(byName.get(name) ?? []), server]);
  }
  for (const [name, group] of byName) {
    // As CoreDNS weighs them: all alike.
    const weight = Math.max(1, Math.floor(100 / group.length));
    for (const { port, target } of group) found.add(name, 'SRV', { priority: 0, weight, port, target });
  }
}

/** A name that fits a packet; the API server looks at the length of the whole only. */
function isDnsName(name: string): boolean {
  return (
    name !== '' && name.length <= 253 && name.split('.').every(({ length }) => length > 0 && length <= 63)
  );
}
