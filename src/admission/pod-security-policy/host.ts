import { invalid } from '../../kube/field-error.ts';
import type { HostPortRange } from '../../kube/types.generated.ts';
import { policyError } from './policy-error.ts';
import type { ContainerRule, PodRule } from './rule.ts';

/** In the order in which they are asked for, with their names in messages. */
const NAMESPACES = { hostNetwork: 'Host network', hostPID: 'Host PID', hostIPC: 'Host IPC' } as const;
type HostNamespace = keyof typeof NAMESPACES;

/** hostNetwork, hostPID and hostIPC. The API server's own pod has them in its securityContext. */
export function createHostNamespacesRule(allowed: Readonly<Record<HostNamespace, boolean>>): PodRule {
  return {
    validate: pod =>
      (Object.keys(NAMESPACES) as HostNamespace[])
        .filter(field => pod.spec?.[field] === true && !allowed[field])
        .map(field =>
          policyError(
            invalid(`spec.securityContext.${field}`, true, `${NAMESPACES[field]} is not allowed to be used`),
            { manifestPath: `spec.${field}` },
          ),
        ),
  };
}

/** hostPorts: of each container, none if there is no range. The path has no index: so it is in the API server. */
export function createHostPortsRule(ranges: readonly HostPortRange[]): ContainerRule {
  return {
    validate: ({ container, path }) =>
      (container.ports ?? []).flatMap(({ hostPort = 0 }, i) => {
        if (hostPort <= 0 || ranges.some(({ min, max }) => hostPort >= min && hostPort <= max)) return [];
        const detail = `Host port ${hostPort} is not allowed to be used. Allowed ports: [${formatPorts(ranges)}]`;
        const manifestPath = `${path}.ports[${i}].hostPort`;
        return [policyError(invalid(`${path}.hostPort`, hostPort, detail), { manifestPath })];
      }),
  };
}

const formatPorts = (ranges: readonly HostPortRange[]): string =>
  ranges.map(({ min, max }) => (min === max ? `${min}` : `${min}-${max}`)).join(',');
