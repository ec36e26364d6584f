import t from 'tap';
import {
  dottedSysctl,
  forbiddenSysctl,
  podSysctls,
  sysctlNamespace,
  sysctlPatternError,
} from '../../../src/kube/sysctls.ts';
import type { Pod, PodSpec } from '../../../src/kube/types.generated.ts';

const podOf = (names: readonly string[], spec: Partial<PodSpec> = {}): Pod => ({
  spec: { containers: [], ...spec, securityContext: { sysctls: names.map(name => ({ name, value: '1' })) } },
});

t.test('slashes and dots', t => {
  for (const [name, dotted] of [
    ['net.ipv4.tcp_syncookies', 'net.ipv4.tcp_syncookies'],
    ['net/ipv4/tcp_syncookies', 'net.ipv4.tcp_syncookies'],
    ['net/ipv4/conf/eth0.5/forwarding', 'net.ipv4.conf.eth0/5.forwarding'],
    ['net.ipv4.conf.eth0/5.forwarding', 'net.ipv4.conf.eth0/5.forwarding'],
  ] as const)
    t.equal(dottedSysctl(name), dotted);
  t.end();
});

t.test('whose a sysctl is', t => {
  for (const [name, namespace] of [
    ['kernel.sem', 'ipc'],
    ['kernel.semaphore', undefined],
    ['kernel.shmmax', 'ipc'],
    ['kernel.msgmax', 'ipc'],
    ['fs.mqueue.msg_max', 'ipc'],
    ['net.core.somaxconn', 'net'],
    ['kernel.hostname', undefined],
    ['vm.swappiness', undefined],
  ] as const)
    t.equal(sysctlNamespace(name), namespace, name);
  t.end();
});

t.test('what a pod may set', t => {
  const refusal = (name: string): string => `forbidden sysctl: "${name}" not allowlisted`;
  for (const [names, allowed, expected] of [
    [['kernel.shm_rmid_forced', 'net.ipv4.tcp_rmem'], [], undefined],
    [['kernel.msgmax'], [], refusal('kernel.msgmax')],
    [['net/core/somaxconn'], [], refusal('net.core.somaxconn')],
    [['kernel.msgmax'], ['kernel.msg*'], undefined],
    [['kernel.msgmax', 'net.core.somaxconn'], ['kernel.msg*'], refusal('net.core.somaxconn')],
    [['net.core.somaxconn'], ['net/core/somaxconn'], undefined],
    [['net.core.somaxconn'], ['net.*'], undefined],
  ] as const)
    t.equal(forbiddenSysctl(podOf(names), allowed), expected);
  t.end();
});

t.test('what may be allowed', t => {
  for (const pattern of ['kernel.msg*', 'net.*', 'net.core.somaxconn', 'kernel.sem', 'fs.mqueue.*'])
    t.equal(sysctlPatternError(pattern), undefined, pattern);
  for (const pattern of ['*', 'kernel.*', 'vm.swappiness', 'kernel.hostname'])
    t.match(sysctlPatternError(pattern), 'not known to be namespaced', pattern);
  for (const pattern of ['', 'net.**', '-net', 'net.a b', `net.${'a'.repeat(260)}`])
    t.match(sysctlPatternError(pattern), 'must have at most 253 characters', pattern);
  t.end();
});

t.test('what is set: the spec’s, and containerd’s two in a network namespace of the pod’s own', t => {
  const names = (pod: Pod) => podSysctls(pod).map(({ name, value }) => `${name}=${value}`);
  const both = ['net.ipv4.ip_unprivileged_port_start=0', 'net.ipv4.ping_group_range=0 2147483647'];
  t.same(names(podOf([])), both);
  t.same(names(podOf([], { hostNetwork: true })), []);
  t.same(names(podOf([], { hostUsers: false })), both.slice(0, 1));
  t.same(names(podOf(['net/ipv4/ip_unprivileged_port_start'])), [
    'net.ipv4.ip_unprivileged_port_start=1',
    both[1],
  ]);
  t.same(names(podOf(['kernel.shm_rmid_forced'], { hostNetwork: true })), ['kernel.shm_rmid_forced=1']);
  t.end();
});
