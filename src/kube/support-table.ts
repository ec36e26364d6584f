/** What podspace does with a field that is set. */
export type SupportLevel =
  /** It has its Kubernetes effect. */
  | 'acted'
  /** It says something about the cluster that one machine cannot contradict: accepted with a warning. */
  | 'noted'
  /** Plain data, or what is true on one machine anyway: accepted. */
  | 'inert'
  /** It would matter, and podspace does not do it yet: the pod is refused. */
  | 'refused';

export interface SupportRow {
  readonly level: SupportLevel;
  readonly reason: string;
  /** The values that the level is about; any other is `acted`. */
  readonly when?: (value: unknown) => boolean;
}

const acted = (reason = ''): SupportRow => ({ level: 'acted', reason });
const noted = (reason: string, when?: SupportRow['when']): SupportRow => ({ level: 'noted', reason, when });
const inert = (reason = ''): SupportRow => ({ level: 'inert', reason });
const refused = (reason: string, when?: SupportRow['when']): SupportRow => ({
  level: 'refused',
  reason,
  when,
});

const ONE_NODE = 'there is one machine and no scheduler';
const NOT_YET = 'not supported yet';

/** Rows for each kind of container; a field without one of its own is covered by the nearest one above it. */
function containerRows(path: string): Readonly<Record<string, SupportRow>> {
  const rows: Readonly<Record<string, SupportRow>> = {
    name: acted(),
    image: acted('from the local store, or its registry'),
    imagePullPolicy: acted('an imported image is used as it is, also with Always'),
    command: acted(),
    args: acted(),
    workingDir: acted(),
    env: acted(),
    'env[].valueFrom.fileKeyRef': refused(NOT_YET),
    envFrom: acted(),
    ports: inert('information; a port is reachable wherever the network namespace is'),
    'ports[].hostPort': acted(
      'a way in from the node’s addresses, by nftables; taken ones keep the pod Pending',
    ),
    'ports[].hostIP': acted(),
    resources: acted(
      'cpu, memory and huge pages by the kubelet’s formulas; ephemeral-storage by looking every ten seconds',
    ),
    'resources.limits': refused('there are no device plugins', hasExtendedResource),
    'resources.claims': refused(NOT_YET),
    resizePolicy: inert('a running container is not resized'),
    restartPolicy: acted('Always on an init container makes it a sidecar'),
    restartPolicyRules: acted('by exit code; the first one that matches counts before the policy'),
    'restartPolicyRules[].action': refused(
      'only Restart is supported yet',
      value => value === 'RestartAllContainers',
    ),
    volumeMounts: acted(),
    volumeDevices: refused('block volumes need a storage provider'),
    livenessProbe: acted(
      'by podspace, from inside the pod’s network; also run obeys restartPolicy Always when it fails',
    ),
    readinessProbe: acted('Services send traffic when it says so'),
    startupProbe: acted(),
    lifecycle: acted(),
    'lifecycle.postStart.tcpSocket': acted('no hook in Kubernetes either: it fails'),
    'lifecycle.preStop.tcpSocket': acted('no hook in Kubernetes either: it fails'),
    'lifecycle.stopSignal': acted('before the image’s own'),
    terminationMessagePath: acted('the message is in the result; a volume at that path, or at /dev, wins'),
    terminationMessagePolicy: acted(),
    stdin: acted('run -i connects yours; without it nothing ever comes, and the input does not end'),
    stdinOnce: acted('the input ends with yours; else it stays open, as for the next kubectl attach'),
    tty: acted('its output is the terminal’s, lines end in CR LF; run -i makes your terminal one with it'),
    securityContext: acted(),
    'securityContext.seLinuxOptions': acted('where SELinux is on; volumes keep their labels'),
    'securityContext.appArmorProfile': acted(
      'where AppArmor is on the profile must be loaded; where not, the pod is rejected',
    ),
    'securityContext.seccompProfile': acted(
      'Localhost from --seccomp-profile-root; a privileged container has none',
    ),
    'securityContext.windowsOptions': inert('not interpreted on Linux'),
    'securityContext.procMount': acted('Unmasked needs hostUsers: false, as Kubernetes says'),
  };
  return Object.fromEntries(Object.entries(rows).map(([field, row]) => [`${path}.${field}`, row]));
}

/** `example.com/gpu`: such resources come from device plugins. */
function hasExtendedResource(value: unknown): boolean {
  return Object.keys((value ?? {}) as object).some(name => name.includes('/'));
}

/** Kinds of volumes; one that is not here is refused. */
const VOLUMES: Readonly<Record<string, SupportRow>> = {
  name: acted(),
  emptyDir: acted('sizeLimit is a size of medium Memory; on disk it is looked at every ten seconds'),
  'emptyDir.medium': refused(
    'only the default medium and Memory are supported yet',
    value => value !== '' && value !== 'Memory',
  ),
  hostPath: acted(),
  configMap: acted(),
  secret: acted(),
  downwardAPI: acted(),
  persistentVolumeClaim: acted(
    'a directory of the state root, by namespace and claim; its size and access modes are not enforced',
  ),
  ephemeral: acted('a claim that goes with the pod'),
  image: acted('from the local store, or its registry; read-only, noexec'),
  projected: acted('of configMap, secret and downwardAPI sources'),
  'projected.sources[].serviceAccountToken': refused('nobody here issues tokens: there is no API server'),
  'projected.sources[].clusterTrustBundle': refused('there are no cluster trust bundles on one machine'),
  'projected.sources[].podCertificate': refused('nobody here signs certificates'),
};

/** Every field of a Pod, or the nearest one above it, in the order of the API. */
export const SUPPORT: Readonly<Record<string, SupportRow>> = {
  apiVersion: acted(),
  kind: acted(),
  metadata: inert('plain data; name, namespace, labels and annotations can be read by env fieldRef'),
  status: inert('written by the system, never read'),
  'spec.activeDeadlineSeconds': acted(),
  'spec.affinity': noted(ONE_NODE),
  'spec.automountServiceAccountToken': inert('no token is ever mounted'),
  'spec.containers': acted(),
  ...containerRows('spec.containers[]'),
  'spec.dnsConfig': acted(),
  'spec.dnsPolicy': acted('without a cluster DNS, ClusterFirst is the machine’s own resolver'),
  'spec.enableServiceLinks': inert('there are no Services'),
  'spec.ephemeralContainers': acted('refused by validation, as Kubernetes does at creation'),
  'spec.hostAliases': acted(),
  'spec.hostIPC': acted(),
  'spec.hostNetwork': acted('with the host’s UTS namespace'),
  'spec.hostPID': acted(),
  'spec.hostUsers': acted('false: 65536 ids of the host for each pod; needs Linux 6.3'),
  'spec.hostname': acted(),
  'spec.hostnameOverride': acted(),
  'spec.imagePullSecrets': acted('Secrets that stand beside the pod'),
  'spec.initContainers': acted(),
  ...containerRows('spec.initContainers[]'),
  'spec.nodeName': noted(ONE_NODE),
  'spec.nodeSelector': noted(ONE_NODE),
  'spec.os': acted('linux only'),
  'spec.overhead': noted(ONE_NODE),
  'spec.preemptionPolicy': noted(ONE_NODE),
  'spec.priority': noted(ONE_NODE),
  'spec.priorityClassName': noted(ONE_NODE),
  'spec.readinessGates': noted('readiness only tells Services where to send traffic'),
  'spec.resourceClaims': refused(NOT_YET),
  'spec.resources': acted('of the pod’s cgroup, around those of its containers'),
  'spec.restartPolicy': acted(),
  'spec.runtimeClassName': refused('podspace is the only runtime here'),
  'spec.schedulerName': noted(ONE_NODE, value => value !== 'default-scheduler'),
  'spec.schedulingGates': noted(ONE_NODE),
  'spec.schedulingGroup': noted(ONE_NODE),
  'spec.securityContext': acted(),
  'spec.securityContext.appArmorProfile': acted('as for containers; also the beta annotation'),
  'spec.securityContext.seLinuxChangePolicy': noted('volumes keep their SELinux labels'),
  'spec.securityContext.seLinuxOptions': acted('where SELinux is on; volumes keep their labels'),
  'spec.securityContext.seccompProfile': acted(
    'RuntimeDefault for pods that say nothing with --seccomp-default',
  ),
  'spec.securityContext.sysctls': acted(
    'the safe ones, and what --allowed-unsafe-sysctls allows; two more are set in every network namespace',
  ),
  'spec.securityContext.fsGroupChangePolicy': acted('on claims'),
  'spec.securityContext.windowsOptions': inert('not interpreted on Linux'),
  'spec.serviceAccount': inert('no token is ever mounted'),
  'spec.serviceAccountName': inert('no token is ever mounted'),
  'spec.setHostnameAsFQDN': acted(),
  'spec.shareProcessNamespace': acted(),
  'spec.subdomain': acted(),
  'spec.terminationGracePeriodSeconds': acted(),
  'spec.tolerations': noted(ONE_NODE),
  'spec.topologySpreadConstraints': noted(ONE_NODE),
  'spec.volumes': acted(),
  'spec.volumes[]': refused('this type of volume is not supported yet'),
  ...Object.fromEntries(Object.entries(VOLUMES).map(([field, row]) => [`spec.volumes[].${field}`, row])),
};
