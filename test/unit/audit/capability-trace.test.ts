import t from 'tap';
import { CapabilityTrace } from '../../../src/oci/audit/capability-trace.ts';

const event = (cap: number, result: number, ...frames: string[]): string =>
  [
    `            sh-32265   [001] .....  1467.885460: cap_capable: cred 000000006dda7b36, target_ns 00000000e0078905, capable_ns 00000000e0078905, cap ${cap}, ret ${result}`,
    '            sh-32265   [001] .....  1467.885495: <stack trace>',
    ...['trace_event_raw_event_cap_capable', 'cap_capable', 'security_capable', ...frames].map(
      frame => ` => ${frame}`,
    ),
    '',
  ].join('\n');

function observe(...events: string[]): ReturnType<CapabilityTrace['end']> {
  const trace = new CapabilityTrace();
  trace.push(events.join(''));
  return trace.end(0);
}

const BOTTOM = ['do_syscall_64', 'entry_SYSCALL_64_after_hwframe'];
const chown = event(
  0,
  0,
  'capable_wrt_inode_uidgid',
  'setattr_prepare',
  'ovl_setattr',
  'notify_change',
  '__x64_sys_chown',
  ...BOTTOM,
);

t.test('used, by which call', t => {
  t.strictSame(observe(chown, chown), {
    used: [{ name: 'CAP_CHOWN', calls: ['chown'] }],
    refused: [],
    lost: 0,
  });
  t.end();
});

t.test('what never was there is refused; what was there once is used', t => {
  const setuid = (result: number): string => event(7, result, 'ns_capable_setid', '__sys_setuid', ...BOTTOM);
  const unshare = event(21, -1, 'ns_capable', 'ksys_unshare', '__x64_sys_unshare', ...BOTTOM);
  t.strictSame(observe(setuid(-1), unshare), {
    used: [],
    refused: [
      { name: 'CAP_SETUID', calls: ['setuid'] },
      { name: 'CAP_SYS_ADMIN', calls: ['unshare'] },
    ],
    lost: 0,
  });
  t.match(observe(setuid(0), setuid(-1), unshare), {
    used: [{ name: 'CAP_SETUID' }],
    refused: [{ name: 'CAP_SYS_ADMIN' }],
  });
  t.end();
});

t.test('who asks by the way does not count', t => {
  const memory = event(21, 0, 'security_vm_enough_memory_mm', 'do_brk_flags', '__do_sys_brk', ...BOTTOM);
  t.strictSame(observe(memory).used, []);
  t.end();
});

t.test('overlayfs asks for the process, or for who mounted it', t => {
  const rows = [
    ['generic_permission', 'CAP_DAC_OVERRIDE', ['generic_permission', 'ovl_permission', 'inode_permission']],
    ['setattr_prepare', 'CAP_DAC_OVERRIDE', ['setattr_prepare', 'ovl_setattr']],
    [
      'an attribute of its own',
      undefined,
      ['xattr_permission', 'vfs_getxattr', 'ovl_check_metacopy_xattr', 'ovl_lookup'],
    ],
    [
      'the file below',
      undefined,
      ['generic_permission', 'inode_permission', 'vfs_mkdir', 'ovl_create_real', 'ovl_mkdir'],
    ],
    ['the attributes below', undefined, ['setattr_prepare', 'ext4_setattr', 'notify_change', 'ovl_setattr']],
    ['itself', undefined, ['ovl_can_decode_fh', 'ovl_copy_up_one']],
  ] as const;
  for (const [what, used, frames] of rows)
    t.strictSame(
      observe(event(1, 0, ...frames, '__x64_sys_openat', ...BOTTOM)).used.map(({ name }) => name),
      used === undefined ? [] : [used],
      what,
    );
  t.end();
});

t.test('entries of system calls, by architecture', t => {
  const calls = [
    '__x64_sys_bind',
    '__arm64_sys_bind',
    '__ia32_compat_sys_bind',
    '__sys_bind',
    'ksys_bind',
    '__do_sys_bind',
  ];
  for (const entry of calls)
    t.strictSame(
      observe(event(10, 0, 'ns_capable', entry)).used,
      [{ name: 'CAP_NET_BIND_SERVICE', calls: ['bind'] }],
      entry,
    );
  t.strictSame(observe(event(10, 0, 'ns_capable', 'task_work_run')).used, [
    { name: 'CAP_NET_BIND_SERVICE', calls: [] },
  ]);
  t.end();
});

t.test('the text comes in any pieces, and with lines that mean nothing', t => {
  const text = `CPU:1 [LOST 12 EVENTS]\n${chown}garbage\n${chown}`;
  for (const size of [1, 7, 64]) {
    const trace = new CapabilityTrace();
    for (let at = 0; at < text.length; at += size) trace.push(text.slice(at, at + size));
    t.strictSame(trace.end(12), { used: [{ name: 'CAP_CHOWN', calls: ['chown'] }], refused: [], lost: 12 });
  }
  t.end();
});

t.test('a capability newer than podspace is no crash', t => {
  t.strictSame(observe(event(63, 0, 'capable', '__x64_sys_bpf')).used, []);
  t.end();
});
