import type { Pod } from '../kube/types.generated.ts';
import type { HostFacts } from './host-facts.ts';

/** The kubelet's --cluster-domain, as kubeadm sets it. */
export const CLUSTER_DOMAIN = 'cluster.local';
const MAX_NODENAME = 64;

export interface PodNames {
  /** What sethostname(2) gets; undefined where the pod has the host's UTS namespace. */
  readonly nodename: string | undefined;
  /** The short name: `HOSTNAME` and /etc/hostname. */
  readonly hostname: string;
  readonly domain: string | undefined;
}

/** The pod's host name, as the kubelet's GeneratePodHostNameAndDomain has it. An over-long FQDN is an error text. */
export function podNames(pod: Pod, host: HostFacts): PodNames | { readonly error: string } {
  const spec = pod.spec ?? { containers: [] };
  if (spec.hostNetwork === true) return { nodename: undefined, hostname: host.hostname, domain: undefined };
  const override = spec.hostnameOverride;
  const hostname = override ?? truncate(spec.hostname ?? pod.metadata?.name ?? '');
  const domain =
    spec.subdomain === undefined || override !== undefined
      ? undefined
      : `${spec.subdomain}.${pod.metadata?.namespace ?? 'default'}.svc.${CLUSTER_DOMAIN}`;
  const nodename =
    spec.setHostnameAsFQDN === true && domain !== undefined ? `${hostname}.${domain}` : hostname;
  if (nodename.length > MAX_NODENAME) {
    return {
      error: `failed to construct FQDN from pod hostname and cluster domain, FQDN ${nodename} is too long (${MAX_NODENAME} characters is the max, ${nodename.length} characters requested)`,
    };
  }
  return { nodename, hostname: nodename, domain };
}

/** At most 63 characters, and no "-" or "." at the cut. */
function truncate(name: string): string {
  return name.slice(0, 63).replace(/[-.]+$/, '');
}

const HOSTS = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

/** /etc/hosts, as the kubelet writes it. */
export function etcHosts(pod: Pod, names: PodNames, podIPs: readonly string[], host: HostFacts): string {
  const { hostAliases = [], hostNetwork, hostname, subdomain } = pod.spec ?? { containers: [] };
  const aliases =
    hostAliases.length === 0
      ? ''
      : `\n# Entries added by HostAliases.\n${hostAliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`).join('')}`;
  if (hostNetwork === true)
    return `# Kubernetes-managed hosts file (host network).\n${host.etcHosts}${aliases}`;
  const short = hostname ?? pod.metadata?.name ?? names.hostname;
  const own =
    subdomain === undefined || names.domain === undefined
      ? names.hostname
      : `${truncate(short)}.${names.domain}\t${truncate(short)}`;
  const lines = podIPs.map(podIP => `${podIP}\t${own}\n`).join('');
  return `# Kubernetes-managed hosts file.\n${HOSTS}${lines}${aliases}`;
}
