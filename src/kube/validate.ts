import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { isIPAddress, labelErrors, searchDomainErrors, subdomainErrors } from './names.ts';
import type { Pod, PodSpec } from './types.generated.ts';
import { validateContainers } from './validate-containers.ts';
import { validateDetails } from './validate-details.ts';
import { MAX_ID, validateIds, validateSeccomp } from './validate-security.ts';
import { validateVolumes } from './validate-volumes.ts';

/** ValidatePodCreate of the API server, on a defaulted pod: every error, in its words (pkg/apis/core/validation). */
export function validatePod(pod: Pod): readonly FieldError[] {
  const spec = pod.spec ?? { containers: [] };
  const volumeNames = new Set((spec.volumes ?? []).map(({ name }) => name));
  return [
    ...validateMetadata(pod),
    ...validateVolumes(spec, pod.metadata ?? {}),
    ...validateContainers(spec, volumeNames),
    ...validatePodSettings(spec),
    ...validateNames(spec),
    ...validateDns(spec),
    ...validatePodSecurityContext(spec),
    ...validateHostUsers(spec),
    ...validateDetails(pod),
  ];
}

function validateMetadata(pod: Pod): readonly FieldError[] {
  const { name = '', generateName, namespace = '' } = pod.metadata ?? {};
  const errors: FieldError[] = [];
  if (name === '' && generateName === undefined)
    errors.push(required('metadata.name', 'name or generateName is required'));
  if (name !== '')
    errors.push(...subdomainErrors(name).map(detail => invalid('metadata.name', name, detail)));
  errors.push(...labelErrors(namespace).map(detail => invalid('metadata.namespace', namespace, detail)));
  return errors;
}

/** Fields that are one of a few words. */
const WORDS = {
  restartPolicy: ['Always', 'Never', 'OnFailure'],
  dnsPolicy: ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'],
} as const satisfies Partial<Record<keyof PodSpec, readonly string[]>>;

function validatePodSettings(spec: PodSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  for (const [field, words] of Object.entries(WORDS)) {
    const value = spec[field as keyof typeof WORDS] ?? '';
    if (!(words as readonly string[]).includes(value))
      errors.push(notSupported(`spec.${field}`, value, words));
  }
  const { activeDeadlineSeconds, terminationGracePeriodSeconds = 0 } = spec;
  if (activeDeadlineSeconds !== undefined && (activeDeadlineSeconds < 1 || activeDeadlineSeconds > MAX_ID)) {
    errors.push(
      invalid(
        'spec.activeDeadlineSeconds',
        activeDeadlineSeconds,
        `must be between 1 and ${MAX_ID}, inclusive`,
      ),
    );
  }
  if (terminationGracePeriodSeconds < 0)
    errors.push(
      invalid(
        'spec.terminationGracePeriodSeconds',
        terminationGracePeriodSeconds,
        'must be greater than or equal to 0',
      ),
    );
  if (spec.ephemeralContainers !== undefined && spec.ephemeralContainers.length > 0)
    errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'));
  if (spec.os !== undefined && !['linux', 'windows'].includes(spec.os.name))
    errors.push(notSupported('spec.os.name', spec.os.name, ['linux', 'windows']));
  if (spec.os?.name === 'windows') errors.push(forbidden('spec.os.name', 'this machine runs linux'));
  return errors;
}

function validateNames(spec: PodSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ['hostname', 'subdomain'] as const) {
    const value = spec[field];
    if (value !== undefined && value !== '')
      errors.push(...labelErrors(value).map(detail => invalid(`spec.${field}`, value, detail)));
  }
  if (spec.hostnameOverride !== undefined) {
    if (spec.hostNetwork === true)
      errors.push(forbidden('spec.hostnameOverride', 'may not be specified when hostNetwork is true'));
    if (spec.setHostnameAsFQDN === true)
      errors.push(forbidden('spec.hostnameOverride', 'may not be specified when setHostnameAsFQDN is true'));
    if (spec.hostnameOverride.length > 64)
      errors.push(
        invalid('spec.hostnameOverride', spec.hostnameOverride, 'must be no more than 64 characters'),
      );
    errors.push(
      ...subdomainErrors(spec.hostnameOverride).map(detail =>
        invalid('spec.hostnameOverride', spec.hostnameOverride, detail),
      ),
    );
  }
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    if (!isIPAddress(alias.ip))
      errors.push(
        invalid(
          `spec.hostAliases[${i}].ip`,
          alias.ip,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      );
    for (const [j, name] of (alias.hostnames ?? []).entries()) {
      errors.push(
        ...subdomainErrors(name).map(detail =>
          invalid(`spec.hostAliases[${i}].hostnames[${j}]`, name, detail),
        ),
      );
    }
  }
  return errors;
}

function validateDns(spec: PodSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  const { nameservers = [], searches = [], options = [] } = spec.dnsConfig ?? {};
  if (spec.dnsPolicy === 'None') {
    if (spec.dnsConfig === undefined)
      errors.push(required('spec.dnsConfig', 'must provide `dnsConfig` when `dnsPolicy` is None'));
    else if (nameservers.length === 0)
      errors.push(
        required(
          'spec.dnsConfig.nameservers',
          'must provide at least one DNS nameserver when `dnsPolicy` is None',
        ),
      );
  }
  if (nameservers.length > 3)
    errors.push(invalid('spec.dnsConfig.nameservers', nameservers, 'must not have more than 3 nameservers'));
  for (const [i, server] of nameservers.entries()) {
    if (!isIPAddress(server))
      errors.push(
        invalid(
          `spec.dnsConfig.nameservers[${i}]`,
          server,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      );
  }
  if (searches.length > 32)
    errors.push(invalid('spec.dnsConfig.searches', searches, 'must not have more than 32 search paths'));
  if (searches.join(' ').length > 2048)
    errors.push(
      invalid(
        'spec.dnsConfig.searches',
        searches,
        'must not have more than 2048 characters (including spaces) in the search list',
      ),
    );
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue;
    errors.push(
      ...searchDomainErrors(search.replace(/\.$/, '')).map(detail =>
        invalid(`spec.dnsConfig.searches[${i}]`, search, detail),
      ),
    );
  }
  for (const [i, { name = '' }] of options.entries())
    if (name === '') errors.push(required(`spec.dnsConfig.options[${i}]`, 'must not be empty'));
  return errors;
}

function validatePodSecurityContext(spec: PodSpec): readonly FieldError[] {
  const context = spec.securityContext ?? {};
  const path = 'spec.securityContext';
  const errors: FieldError[] = [
    ...validateIds(context, path),
    ...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    errors.push(
      invalid(
        `${path}.shareProcessNamespace`,
        true,
        'ShareProcessNamespace and HostPID cannot both be enabled',
      ),
    );
  }
  for (const [i, gid] of (context.supplementalGroups ?? []).entries()) {
    if (gid < 0 || gid > MAX_ID)
      errors.push(
        invalid(`${path}.supplementalGroups[${i}]`, gid, `must be between 0 and ${MAX_ID}, inclusive`),
      );
  }
  const policies = ['Merge', 'Strict'];
  if (
    context.supplementalGroupsPolicy !== undefined &&
    !policies.includes(context.supplementalGroupsPolicy)
  ) {
    errors.push(notSupported(`${path}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, policies));
  }
  return errors;
}

/** A user namespace and a namespace of the host's exclude each other; the capitals in the paths are the API server's. */
function validateHostUsers(spec: PodSpec): readonly FieldError[] {
  if (spec.hostUsers !== false) return [];
  const detail = 'when `hostUsers` is false';
  return [
    ...(spec.hostNetwork === true ? [forbidden('spec.hostNetwork', detail)] : []),
    ...(spec.hostPID === true ? [forbidden('spec.HostPID', detail)] : []),
    ...(spec.hostIPC === true ? [forbidden('spec.HostIPC', detail)] : []),
    ...spec.containers.flatMap((container, i) =>
      (container.volumeDevices ?? []).length > 0
        ? [forbidden(`spec.containers[${i}].volumeDevices`, detail)]
        : [],
    ),
  ];
}
