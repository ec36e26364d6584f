import type { Pod, PodDNSConfigOption } from '../kube/types.generated.ts';

/** The resolver of the pods' own domain: the kubelet's --cluster-dns and --cluster-domain. */
export interface ClusterDns {
  readonly addresses: readonly string[];
  readonly domain: string;
}

/** Events of type Warning that a kubelet would record for the pod. */
export interface ResolvConfWarning {
  readonly reason: 'MissingClusterDNS' | 'DNSConfigForming';
  readonly message: string;
}

export interface ResolvConf {
  /** The file as containerd writes it: search, nameserver, options. */
  readonly text: string;
  readonly warnings: readonly ResolvConfWarning[];
}

interface Resolver {
  readonly nameservers: readonly string[];
  readonly searches: readonly string[];
  /** `name` or `name:value`. */
  readonly options: readonly string[];
}

/** resolv.conf(5): the last `search` counts, options add up. A dot at the end of a domain says nothing there. */
export function parseResolvConf(text: string): Resolver {
  const nameservers: string[] = [];
  const options: string[] = [];
  let searches: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...values] = line.split(/[#;]/)[0]?.trim().split(/\s+/) ?? [];
    if (word === 'nameserver' && values[0] !== undefined) nameservers.push(values[0]);
    else if (word === 'search' || word === 'domain') searches = values.map(withoutLastDot);
    else if (word === 'options') options.push(...values);
  }
  return { nameservers, searches, options };
}

/** "." alone is the root, which ends the search there. */
const withoutLastDot = (domain: string): string => (domain === '.' ? domain : domain.replace(/\.$/, ''));

/** What a pod's resolver is made from: the kubelet's podDNSType. */
type Base = 'cluster' | 'host' | 'none';

/** A hostNetwork pod has the node's settings unless it asks for the others by name. */
function baseOf({ spec }: Pod): Base {
  switch (spec?.dnsPolicy) {
    case 'None':
      return 'none';
    case 'Default':
      return 'host';
    case 'ClusterFirstWithHostNet':
      return 'cluster';
    default:
      return spec?.hostNetwork === true ? 'host' : 'cluster';
  }
}

const NOTHING: Resolver = { nameservers: [], searches: [], options: [] };

/**
 * /etc/resolv.conf by dnsPolicy and dnsConfig (kubelet, pkg/kubelet/network/dns). Where there is no cluster DNS,
 * ClusterFirst comes to the machine's own resolver, as on a node without one.
 */
export function resolvConf(pod: Pod, nodeResolvConf: string, cluster?: ClusterDns): ResolvConf {
  const wanted = baseOf(pod);
  const isMissing = wanted === 'cluster' && (cluster?.addresses.length ?? 0) === 0;
  const node = wanted === 'none' ? NOTHING : parseResolvConf(nodeResolvConf);
  const base =
    wanted === 'cluster' && cluster !== undefined && !isMissing ? clusterFirst(pod, node, cluster) : node;
  const { nameservers = [], searches = [], options = [] } = pod.spec?.dnsConfig ?? {};
  const servers = limitNameservers(unique([...base.nameservers, ...nameservers]));
  const search = limitSearches(unique([...base.searches, ...searches]));
  return {
    text: format({
      nameservers: servers.kept,
      searches: search.kept,
      options: mergeOptions(base.options, options),
    }),
    warnings: [...(isMissing ? [missingClusterDns(pod)] : []), ...servers.warnings, ...search.warnings],
  };
}

/** Only the cluster's server is asked: it asks the node's in turn. The node's options are not for it. */
function clusterFirst(pod: Pod, node: Resolver, { addresses, domain }: ClusterDns): Resolver {
  const namespace = pod.metadata?.namespace ?? 'default';
  return {
    nameservers: addresses,
    searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...node.searches],
    options: ['ndots:5'],
  };
}

/** Options of the pod replace those of the same name. */
function mergeOptions(options: readonly string[], added: readonly PodDNSConfigOption[]): readonly string[] {
  const merged = new Map(options.map(option => [option.split(':')[0] ?? '', option]));
  for (const { name = '', value = '' } of added) merged.set(name, value === '' ? name : `${name}:${value}`);
  return [...merged.values()];
}

function missingClusterDns(pod: Pod): ResolvConfWarning {
  const { name = '', namespace = 'default', uid = '' } = pod.metadata ?? {};
  const message = `pod: "${name}_${namespace}(${uid})". kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. Falling back to "Default" policy.`;
  return { reason: 'MissingClusterDNS', message };
}

interface Limited {
  readonly kept: readonly string[];
  readonly warnings: readonly ResolvConfWarning[];
}

/** k8s.io/kubernetes/pkg/apis/core/validation: MaxDNSNameservers, MaxDNSSearchPaths, MaxDNSSearchListChars. */
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARS = 2048;
/** A longer one makes some versions of glibc abort. */
const MAX_SEARCH_LENGTH = 253;

function limitNameservers(all: readonly string[]): Limited {
  return limited(
    all,
    all.slice(0, MAX_NAMESERVERS),
    'Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: ',
  );
}

function limitSearches(all: readonly string[]): Limited {
  const kept = all.slice(0, MAX_SEARCHES).filter(({ length }) => length <= MAX_SEARCH_LENGTH);
  while (kept.join(' ').length > MAX_SEARCH_CHARS) kept.pop();
  return limited(
    all,
    kept,
    'Search Line limits were exceeded, some search paths have been omitted, the applied search line is: ',
  );
}

function limited(all: readonly string[], kept: readonly string[], text: string): Limited {
  const message = `${text}${kept.join(' ')}`;
  return { kept, warnings: kept.length === all.length ? [] : [{ reason: 'DNSConfigForming', message }] };
}

function format({ nameservers, searches, options }: Resolver): string {
  return [
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...nameservers.map(server => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}
