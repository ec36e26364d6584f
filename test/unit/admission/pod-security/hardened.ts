import type { Container, Pod, PodSpec, SecurityContext } from '../../../../src/kube/types.generated.ts';

/** A container that the restricted level allows, with other settings. */
export function hardened(
  name: string,
  securityContext: SecurityContext = {},
  fields: Partial<Container> = {},
): Container {
  return {
    name,
    image: 'i',
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      ...securityContext,
    },
    ...fields,
  };
}

/** The least that the restricted level allows, in every version, but for what `spec` says else. */
export function podOf(spec: Partial<PodSpec> = {}, annotations?: Readonly<Record<string, string>>): Pod {
  return {
    metadata: { name: 'p', ...(annotations && { annotations }) },
    spec: {
      containers: [hardened('a')],
      ...spec,
      securityContext: {
        runAsNonRoot: true,
        seccompProfile: { type: 'RuntimeDefault' },
        ...spec.securityContext,
      },
    },
  };
}

/** The same with a security context of its one container, `a`. */
export const podWith = (securityContext: SecurityContext, spec: Partial<PodSpec> = {}): Pod =>
  podOf({ ...spec, containers: [hardened('a', securityContext)] });
