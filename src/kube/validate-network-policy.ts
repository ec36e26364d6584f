import { type FieldError, forbidden, invalid, required } from './field-error.ts';
import { cidrErrors, parseSloppyCidr } from './ip-fields.ts';
import { validateLabelSelector } from './label-selector.ts';
import { portNameErrors, portNumberErrors, subdomainErrors } from './names.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from './types.generated.ts';
import { validateObjectMeta } from './validate-metadata.ts';

/** In the order in which the API server names them. */
const POLICY_TYPES = ['Ingress', 'Egress'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

/**
 * The API server's defaulting (pkg/apis/networking/v1/defaults.go): a policy that does not say which directions it is
 * about is about Ingress, and about Egress if it has such rules. So one with only egress rules isolates both.
 */
export function setNetworkPolicyDefaults(policy: NetworkPolicy): NetworkPolicy {
  const { policyTypes = [], ingress, egress, ...spec } = policy.spec ?? {};
  const implied = (egress ?? []).length > 0 ? POLICY_TYPES : POLICY_TYPES.slice(0, 1);
  const withProtocols = <T extends { readonly ports?: readonly NetworkPolicyPort[] }>(rule: T): T =>
    rule.ports === undefined
      ? rule
      : { ...rule, ports: rule.ports.map(port => ({ ...port, protocol: port.protocol ?? 'TCP' })) };
  return {
    ...policy,
    metadata: { ...policy.metadata, namespace: policy.metadata?.namespace || 'default' },
    spec: {
      ...spec,
      podSelector: spec.podSelector ?? {},
      policyTypes: policyTypes.length > 0 ? policyTypes : implied,
      ...(ingress === undefined ? {} : { ingress: ingress.map(withProtocols) }),
      ...(egress === undefined ? {} : { egress: egress.map(withProtocols) }),
    },
  };
}

/** Every mistake of a defaulted policy, in the API server's words (pkg/apis/networking/validation). */
export function validateNetworkPolicy({ metadata, spec = {} }: NetworkPolicy): readonly FieldError[] {
  const rules = [
    ...(spec.ingress ?? []).map(({ ports, from }, i) => ({
      ports,
      peers: from,
      path: `ingress[${i}]`,
      to: 'from',
    })),
    ...(spec.egress ?? []).map(({ ports, to }, i) => ({ ports, peers: to, path: `egress[${i}]`, to: 'to' })),
  ];
  return [
    ...validateObjectMeta(metadata, subdomainErrors),
    ...validateLabelSelector(spec.podSelector ?? {}, 'spec.podSelector'),
    ...rules.flatMap(({ ports = [], peers = [], path, to }) => [
      ...ports.flatMap((port, i) => validatePort(port, `spec.${path}.ports[${i}]`)),
      ...peers.flatMap((peer, i) => validatePeer(peer, `spec.${path}.${to}[${i}]`)),
    ]),
    ...validatePolicyTypes(spec),
  ];
}

function validatePolicyTypes({ policyTypes = [] }: NetworkPolicySpec): readonly FieldError[] {
  const path = 'spec.policyTypes';
  if (policyTypes.length > POLICY_TYPES.length)
    return [invalid(path, policyTypes, 'may not specify more than two policyTypes')];
  return policyTypes.flatMap((type, i) =>
    POLICY_TYPES.includes(type) ? [] : [unsupported(`${path}[${i}]`, type, POLICY_TYPES)],
  );
}

/** These lists are not sorted in the API server, as others are. */
function unsupported(path: string, badValue: string, values: readonly string[]): FieldError {
  const list = values.map(value => JSON.stringify(value)).join(', ');
  return { type: 'notSupported', path, badValue, detail: `supported values: ${list}` };
}

function validatePort(
  { protocol = 'TCP', port, endPort }: NetworkPolicyPort,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (!PROTOCOLS.includes(protocol)) errors.push(unsupported(`${path}.protocol`, protocol, PROTOCOLS));
  const endPath = `${path}.endPort`;
  if (typeof port === 'number') {
    errors.push(...portNumberErrors(port).map(detail => invalid(`${path}.port`, port, detail)));
    if (endPort !== undefined && endPort < port)
      errors.push(invalid(endPath, endPort, 'must be greater than or equal to `port`'));
    if (endPort !== undefined)
      errors.push(...portNumberErrors(endPort).map(detail => invalid(endPath, endPort, detail)));
    return errors;
  }
  if (endPort !== undefined) {
    const why = port === undefined ? '`port` is not specified' : '`port` is non-numeric';
    errors.push(invalid(endPath, endPort, `may not be specified when ${why}`));
  }
  if (port !== undefined)
    errors.push(...portNameErrors(port).map(detail => invalid(`${path}.port`, port, detail)));
  return errors;
}

function validatePeer(peer: NetworkPolicyPeer, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (podSelector !== undefined) errors.push(...validateLabelSelector(podSelector, `${path}.podSelector`));
  if (namespaceSelector !== undefined)
    errors.push(...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`));
  if (ipBlock !== undefined) errors.push(...validateIpBlock(ipBlock, `${path}.ipBlock`));
  const hasSelector = podSelector !== undefined || namespaceSelector !== undefined;
  if (!hasSelector && ipBlock === undefined) errors.push(required(path, 'must specify a peer'));
  if (hasSelector && ipBlock !== undefined)
    errors.push(forbidden(path, 'may not specify both ipBlock and another peer'));
  return errors;
}

function validateIpBlock({ cidr, except = [] }: IPBlock, path: string): readonly FieldError[] {
  if (!cidr) return [required(`${path}.cidr`)];
  const errors = cidrErrors(cidr).map(detail => invalid(`${path}.cidr`, cidr, detail));
  const outer = parseSloppyCidr(cidr);
  if (outer === undefined) return errors;
  for (const [i, text] of except.entries()) {
    const at = `${path}.except[${i}]`;
    errors.push(...cidrErrors(text).map(detail => invalid(at, text, detail)));
    const inner = parseSloppyCidr(text);
    if (inner === undefined) continue;
    const isInside =
      inner.family === outer.family &&
      inner.first >= outer.first &&
      inner.last <= outer.last &&
      inner.prefixLength > outer.prefixLength;
    if (!isInside) errors.push(invalid(at, text, 'must be a strict subset of `cidr`'));
  }
  return errors;
}
