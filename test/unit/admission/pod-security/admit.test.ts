import t from 'tap';
import {
  admitByPodSecurity,
  admitTemplateByPodSecurity,
} from '../../../../src/admission/pod-security/admit.ts';
import { evaluatePod, formatViolations } from '../../../../src/admission/pod-security/evaluate.ts';
import { namespacePodSecurity } from '../../../../src/admission/pod-security/levels.ts';
import { setDefaults } from '../../../../src/kube/defaults.ts';
import type { Pod } from '../../../../src/kube/types.generated.ts';
import { hardened, podOf } from './hardened.ts';

/** As it comes from many a tutorial. */
const NGINX: Pod = { metadata: { name: 'nginx' }, spec: { containers: [{ name: 'nginx', image: 'nginx' }] } };

const RESTRICTED =
  'allowPrivilegeEscalation != false (container "nginx" must set securityContext.allowPrivilegeEscalation=false), ' +
  'unrestricted capabilities (container "nginx" must set securityContext.capabilities.drop=["ALL"]), ' +
  'runAsNonRoot != true (pod or container "nginx" must set securityContext.runAsNonRoot=true), ' +
  'seccompProfile (pod or container "nginx" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';

const HOST_PID: Pod = podOf({ hostPID: true });

const securityOf = (labels: Readonly<Record<string, string>>) =>
  namespacePodSecurity(
    Object.fromEntries(
      Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value]),
    ),
  );

t.test('denied: with every violation, and no warning as well', t => {
  t.same(admitByPodSecurity(securityOf({ enforce: 'restricted' }), NGINX), {
    denial: `violates PodSecurity "restricted:latest": ${RESTRICTED}`,
    warnings: [],
    audit: undefined,
  });
  t.same(
    admitByPodSecurity(
      securityOf({ enforce: 'baseline', audit: 'restricted', warn: 'restricted' }),
      HOST_PID,
    ),
    {
      denial: 'violates PodSecurity "baseline:latest": host namespaces (hostPID=true)',
      warnings: [],
      audit: 'would violate PodSecurity "restricted:latest": host namespaces (hostPID=true)',
    },
  );
  t.end();
});

t.test('let through: with a warning and a note', t => {
  t.same(
    admitByPodSecurity(
      securityOf({ enforce: 'baseline', warn: 'restricted', 'warn-version': 'v1.30' }),
      NGINX,
    ),
    {
      warnings: [`would violate PodSecurity "restricted:v1.30": ${RESTRICTED}`],
      audit: undefined,
    },
  );
  t.same(admitByPodSecurity(securityOf({ audit: 'baseline', 'audit-version': 'v1.99' }), HOST_PID), {
    warnings: [],
    audit: 'would violate PodSecurity "baseline:v1.99": host namespaces (hostPID=true)',
  });
  const nothing = { warnings: [], audit: undefined };
  t.same(admitByPodSecurity(securityOf({}), HOST_PID), nothing);
  t.same(admitByPodSecurity(securityOf({ enforce: 'restricted', audit: 'restricted' }), podOf()), nothing);
  t.end();
});

t.test('what enforces a level that is none, enforces the strictest', t => {
  const { denial } = admitByPodSecurity(securityOf({ enforce: 'strict', 'enforce-version': '1.2' }), NGINX);
  t.equal(denial, `violates PodSecurity "restricted:latest": ${RESTRICTED}`);
  t.end();
});

t.test('a template is never denied, only warned of', t => {
  const template = { metadata: { labels: { app: 'web' } }, spec: NGINX.spec };
  t.same(admitTemplateByPodSecurity(securityOf({ enforce: 'restricted', audit: 'restricted' }), template), {
    warnings: [`would violate PodSecurity "restricted:latest": ${RESTRICTED}`],
    audit: `would violate PodSecurity "restricted:latest": ${RESTRICTED}`,
  });
  t.same(admitTemplateByPodSecurity(securityOf({ enforce: 'restricted', warn: 'privileged' }), template), {
    warnings: [],
    audit: undefined,
  });
  t.end();
});

t.test('what violates everything: the baseline first, then the restricted level, each by id', t => {
  const bad: Pod = {
    metadata: { annotations: { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' } },
    spec: {
      ...{ hostNetwork: true, hostPID: true, hostIPC: true },
      securityContext: {
        runAsUser: 0,
        seLinuxOptions: { user: 'u' },
        seccompProfile: { type: 'Unconfined' },
        sysctls: [{ name: 'kernel.msgmax', value: '1' }],
        windowsOptions: { hostProcess: true },
      },
      containers: [
        hardened(
          'a',
          {
            privileged: true,
            procMount: 'Unmasked',
            allowPrivilegeEscalation: true,
            capabilities: { add: ['SYS_ADMIN'] },
          },
          { ports: [{ containerPort: 80 }], livenessProbe: { tcpSocket: { host: 'h', port: 1 } } },
        ),
      ],
      volumes: [{ name: 'v', hostPath: { path: '/' } }],
    },
  };
  const reasons = (level: 'baseline' | 'restricted', version: 'latest' | number) =>
    evaluatePod({ level, version }, setDefaults(bad)).map(({ id, reason }) => `${id}: ${reason}`);
  const both = [
    'appArmorProfile: forbidden AppArmor profile',
    'capabilities_baseline: non-default capabilities',
    'hostNamespaces: host namespaces',
    'hostPathVolumes: hostPath volumes',
    'hostPorts: hostPort',
    'hostProbesAndHostLifecycle: probe or lifecycle host',
    'privileged: privileged',
    'procMount: procMount',
    'seLinuxOptions: seLinuxOptions',
    'seccompProfile_baseline: seccompProfile',
    'sysctls: forbidden sysctls',
    'windowsHostProcess: hostProcess',
  ];
  const without = (...ids: readonly string[]) =>
    both.filter(line => !ids.some(id => line.startsWith(`${id}:`)));
  t.same(reasons('baseline', 'latest'), both);
  t.same(reasons('restricted', 'latest'), [
    ...without('capabilities_baseline', 'hostPathVolumes', 'procMount', 'seccompProfile_baseline'),
    'allowPrivilegeEscalation: allowPrivilegeEscalation != false',
    'capabilities_restricted: unrestricted capabilities',
    'procMount_restricted: procMount',
    'restrictedVolumes: restricted volume types',
    'runAsNonRoot: runAsNonRoot != true',
    'runAsUser: runAsUser=0',
    'seccompProfile_restricted: seccompProfile',
  ]);
  // Before the restricted level had anything of its own for them.
  t.same(reasons('restricted', 0), [
    ...without('hostPathVolumes', 'hostProbesAndHostLifecycle', 'seccompProfile_baseline'),
    'restrictedVolumes: restricted volume types',
    'runAsNonRoot: runAsNonRoot != true',
  ]);
  t.same(reasons('restricted', 24).slice(-6), [
    'allowPrivilegeEscalation: allowPrivilegeEscalation != false',
    'capabilities_restricted: unrestricted capabilities',
    'restrictedVolumes: restricted volume types',
    'runAsNonRoot: runAsNonRoot != true',
    'runAsUser: runAsUser=0',
    'seccompProfile_restricted: seccompProfile',
  ]);
  t.same(evaluatePod({ level: 'privileged', version: 'latest' }, bad), []);
  t.end();
});

t.test('how violations are told', t => {
  t.equal(formatViolations([]), '');
  t.equal(
    formatViolations([
      { id: 'a', reason: 'host namespaces', detail: 'hostPID=true' },
      { id: 'b', reason: 'privileged', detail: '' },
    ]),
    'host namespaces (hostPID=true), privileged',
  );
  t.end();
});

t.test('with the host’s network a port of a container is one of the host, once defaults are applied', t => {
  const pod = podOf({
    hostNetwork: true,
    containers: [hardened('a', {}, { ports: [{ containerPort: 80 }] })],
  });
  const { denial } = admitByPodSecurity(securityOf({ enforce: 'baseline' }), setDefaults(pod));
  t.equal(
    denial,
    'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true), hostPort (container "a" uses hostPort 80)',
  );
  t.end();
});
