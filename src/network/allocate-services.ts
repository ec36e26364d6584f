import {
  type Cidr,
  type Family,
  familyOf,
  formatAddress,
  parseAddress,
  parseCidr,
} from '../base/addresses.ts';
import { UserError } from '../base/errors.ts';
import { type FieldError, invalid } from '../kube/field-error.ts';
import type { Service, ServicePort, ServiceSpec } from '../kube/types.generated.ts';
import { isHeadless } from '../kube/validate-cluster-ips.ts';
import { byText, qualifiedName } from './state.ts';

/** What there is to give. */
export interface ServiceRanges {
  /** One range, or one of each family; the first is that of Services that do not say. */
  readonly serviceCidrs: readonly string[];
  /** Addresses that are somebody's already: the DNS server's. */
  readonly reserved?: readonly string[];
}

/** --service-node-port-range */
const NODE_PORTS = { first: 30000, last: 32767 };

export interface Allocation {
  /** Those that got what they need, filled in, in the order in which they came. */
  readonly services: readonly Service[];
  readonly refused: readonly { readonly service: Service; readonly errors: readonly FieldError[] }[];
}

/**
 * Gives every Service its addresses and node ports (pkg/registry/core/service/storage, alloc.go). What one asks for it gets,
 * unless an earlier one of the list asked for it; the rest is made from names, so that a Service has the same address every
 * time: the place in the range is a hash of the name, or the next one that is free. As in Kubernetes the beginning of the
 * range is left to those who ask (KEP-3070).
 */
export function allocateServices(services: readonly Service[], ranges: ServiceRanges): Allocation {
  const cidrs = ranges.serviceCidrs.flatMap(text => parseCidr(text) ?? []);
  const taken = { ips: new Set(ranges.reserved), nodePorts: new Set<number>() };
  const filled = new Map<Service, Service>();
  const refused = services.flatMap(service => {
    const spec = withFamilies(service.spec ?? {}, cidrs);
    const errors = 'errors' in spec ? spec.errors : takeAsked(spec, cidrs, taken);
    if (errors.length > 0) return [{ service, errors }];
    if (!('errors' in spec)) filled.set(service, { ...service, spec });
    return [];
  });
  for (const [service, { spec = {}, ...rest }] of [...filled].sort(byText(([each]) => qualifiedName(each)))) {
    const name = qualifiedName(service);
    const ports = fillNodePorts(name, spec, taken.nodePorts);
    const filledSpec = { ...spec, ...fillClusterIps(name, spec, cidrs, taken.ips) };
    filled.set(service, { ...rest, spec: { ...filledSpec, ...(ports === undefined ? {} : { ports }) } });
  }
  return { services: services.flatMap(service => filled.get(service) ?? []), refused };
}

interface Taken {
  readonly ips: Set<string>;
  readonly nodePorts: Set<number>;
}

const OTHER: Readonly<Record<Family, Family>> = { IPv4: 'IPv6', IPv6: 'IPv4' };

/** The families of a Service, as far as the cluster has them (initIPFamilyFields). */
function withFamilies(
  spec: ServiceSpec,
  cidrs: readonly Cidr[],
): ServiceSpec | { readonly errors: readonly FieldError[] } {
  if (spec.type === 'ExternalName') return spec;
  const given = spec.clusterIPs ?? [];
  const isPlainHeadless = isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0;
  const policy = spec.ipFamilyPolicy ?? (isPlainHeadless ? 'RequireDualStack' : 'SingleStack');
  const families = [...(spec.ipFamilies ?? [])] as Family[];
  const errors: FieldError[] = [];
  const must = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
  if (policy === 'SingleStack' && given.length === 2)
    errors.push(invalid('spec.ipFamilyPolicy', policy, `${must} cluster IPs are specified`));
  if (policy === 'SingleStack' && families.length === 2)
    errors.push(invalid('spec.ipFamilyPolicy', policy, `${must} IP families are specified`));
  const has = (family: Family): boolean => cidrs.some(cidr => cidr.family === family);
  for (const [i, ip] of isHeadless(spec) ? [] : given.entries()) {
    if (i < families.length) continue;
    if (has(familyOf(ip))) families.push(familyOf(ip));
    else
      errors.push(
        invalid(`spec.clusterIPs[${i}]`, given, `${familyOf(ip)} is not configured on this cluster`),
      );
  }
  if (errors.length > 0) return { errors };
  // Nobody asks for its addresses here: it may have families that the cluster has not.
  if (!isPlainHeadless) {
    if (policy === 'RequireDualStack' && cidrs.length < 2)
      errors.push(
        invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'),
      );
    for (const [i, family] of families.entries())
      if (!has(family))
        errors.push(invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster'));
  }
  if (errors.length > 0) return { errors };
  const [first = cidrs[0]?.family ?? 'IPv4'] = families;
  const isDual = policy !== 'SingleStack' && (isPlainHeadless || cidrs.length === 2);
  return {
    ...spec,
    ipFamilyPolicy: policy,
    ipFamilies: families.length === 2 || !isDual ? [first, ...families.slice(1)] : [first, OTHER[first]],
  };
}

/** Takes the addresses and node ports that a Service asks for: all of them, or none with the first error of each kind. */
function takeAsked(spec: ServiceSpec, cidrs: readonly Cidr[], taken: Taken): readonly FieldError[] {
  const ips = isHeadless(spec) || spec.type === 'ExternalName' ? [] : (spec.clusterIPs ?? []);
  const asked = ips.map(ip => ({ ip, problem: addressProblem(ip, cidrs, taken.ips) }));
  const wrong = asked.find(({ problem }) => problem !== undefined);
  const errors: FieldError[] = [];
  if (wrong !== undefined)
    errors.push(
      invalid('spec.clusterIPs', spec.clusterIPs, `failed to allocate IP ${wrong.ip}: ${wrong.problem}`),
    );
  const own = new Map<number, number>();
  for (const [i, { port, nodePort = 0 }] of hasNodePorts(spec) ? (spec.ports ?? []).entries() : []) {
    // One node port may stand for the same port of two protocols.
    if (nodePort === 0 || own.get(nodePort) === port) continue;
    own.set(nodePort, port);
    const problem = nodePortProblem(nodePort, taken.nodePorts);
    if (problem !== undefined) errors.push(invalid(`spec.ports[${i}].nodePort`, nodePort, problem));
  }
  if (errors.length > 0) return errors.slice(0, 1);
  for (const { ip } of asked) taken.ips.add(canonical(ip));
  for (const nodePort of own.keys()) taken.nodePorts.add(nodePort);
  return [];
}

function hasNodePorts({ type }: ServiceSpec): boolean {
  return type === 'NodePort' || type === 'LoadBalancer';
}

function canonical(ip: string): string {
  const address = parseAddress(ip);
  return address === undefined ? ip : formatAddress(address);
}

/** pkg/registry/core/service/ipallocator */
function addressProblem(ip: string, cidrs: readonly Cidr[], taken: ReadonlySet<string>): string | undefined {
  const address = parseAddress(ip);
  const cidr = cidrs.find(
    ({ family, first, last }) =>
      family === address?.family && first <= address.value && address.value <= last,
  );
  if (address === undefined || cidr === undefined)
    return 'the provided network does not match the current range';
  const { first, last } = usable(cidr);
  if (address.value < first || address.value > last) {
    const range = `${formatAddress({ family: cidr.family, value: cidr.first })}/${cidr.prefixLength}`;
    return `the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${range}`;
  }
  return taken.has(canonical(ip)) ? 'provided IP is already allocated' : undefined;
}

/** pkg/registry/core/service/portallocator */
function nodePortProblem(port: number, taken: ReadonlySet<number>): string | undefined {
  const { first, last } = NODE_PORTS;
  if (port < first || port > last)
    return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
  return taken.has(port) ? 'provided port is already allocated' : undefined;
}

/** Without the network's own address, and IPv4's for all. */
function usable({ family, first, last }: Cidr): { readonly first: bigint; readonly last: bigint } {
  return { first: first + 1n, last: family === 'IPv4' ? last - 1n : last };
}

function fillClusterIps(
  name: string,
  spec: ServiceSpec,
  cidrs: readonly Cidr[],
  taken: Set<string>,
): Pick<ServiceSpec, 'clusterIP' | 'clusterIPs'> {
  if (spec.type === 'ExternalName' || isHeadless(spec)) return {};
  const clusterIPs = ((spec.ipFamilies ?? []) as readonly Family[]).map((family, i) => {
    const asked = spec.clusterIPs?.[i];
    const cidr = cidrs.find(each => each.family === family);
    if (asked !== undefined || cidr === undefined) return asked ?? '';
    const { first, last } = usable(cidr);
    const size = last - first + 1n;
    const kept = size < 16n ? 0n : min(max(16n, size / 16n), 256n);
    const value = findFree(name, first + kept, last, number =>
      taken.has(formatAddress({ family, value: number })),
    );
    const ip = formatAddress({ family, value });
    taken.add(ip);
    return ip;
  });
  return { clusterIP: clusterIPs[0] ?? '', clusterIPs };
}

/** The ports of a Service with the node ports that it did not ask for; one for each number that it has (initNodePorts). */
function fillNodePorts(
  name: string,
  spec: ServiceSpec,
  taken: Set<number>,
): readonly ServicePort[] | undefined {
  if (!hasNodePorts(spec) || spec.allocateLoadBalancerNodePorts === false) return spec.ports;
  const { first, last } = NODE_PORTS;
  const kept = 86;
  const byPort = new Map<number, number>();
  for (const { port, nodePort } of spec.ports ?? []) if (nodePort) byPort.set(port, nodePort);
  return spec.ports?.map(port => {
    let nodePort = port.nodePort || byPort.get(port.port);
    if (nodePort === undefined) {
      const isTaken = (number: bigint): boolean => taken.has(Number(number));
      nodePort = Number(findFree(`${name}:${port.port}`, BigInt(first + kept), BigInt(last), isTaken));
      taken.add(nodePort);
      byPort.set(port.port, nodePort);
    }
    return { ...port, nodePort };
  });
}

const min = (one: bigint, other: bigint): bigint => (one < other ? one : other);
const max = (one: bigint, other: bigint): bigint => (one > other ? one : other);

/** FNV-1a of 64 bits. */
function hash(text: string): bigint {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text))
    value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return value;
}

/** The place of a name in a range, or the next that is free, from the beginning again at the end. */
function findFree(name: string, first: bigint, last: bigint, isTaken: (value: bigint) => boolean): bigint {
  const size = last - first + 1n;
  const start = hash(name) % size;
  for (let i = 0n; i < size; i++) {
    const value = first + ((start + i) % size);
    if (!isTaken(value)) return value;
  }
  throw new UserError(`Service "${name}": failed to allocate an address or a node port: range is full`);
}
