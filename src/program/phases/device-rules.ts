import type { OciDeviceRule } from '../../oci/config.ts';
import { formatDeviceRule } from '../../oci/device-rules.ts';
import { named, num, type ProgramBuilder, parameter } from '../builder.ts';
import { deviceProgram } from '../device-bpf.ts';
import { close } from '../mount-calls.ts';
import type { SlotOperand } from '../program.ts';
import { openHost } from '../root-paths.ts';

/** linux/bpf.h; enumerations, which are never renumbered. */
const BPF = { BPF_PROG_LOAD: 5, BPF_PROG_ATTACH: 8 } as const;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
/** Programs of the cgroups above count too. */
const BPF_F_ALLOW_MULTI = 2;

/** Loads the filter of device rules; returns its fd. */
export function loadDeviceRules(b: ProgramBuilder, rules: readonly OciDeviceRule[]): SlotOperand {
  b.phase('device rules');
  const bytes = deviceProgram(rules);
  const words = rules.map(rule => `${rule.allow ? 'allow' : 'deny'} ${formatDeviceRule(rule)}`);
  const instructions = b.bytes(bytes, 'instructions');
  const license = b.text('Apache-2.0');
  const load = new Uint8Array(72);
  const view = new DataView(load.buffer);
  view.setUint32(0, BPF_PROG_TYPE_CGROUP_DEVICE, true);
  view.setUint32(4, bytes.length / 8, true);
  return b.call('bpf', [
    named(BPF.BPF_PROG_LOAD, 'BPF_PROG_LOAD'),
    b.bytes(load, `{BPF_PROG_TYPE_CGROUP_DEVICE, [${words.join('; ')}]}`, [
      { at: 8, item: instructions.item },
      { at: 16, item: license.item },
    ]),
    num(load.length),
  ]);
}

/**
 * Which devices the container's processes may use, whoever made the node: the filter on its v2 cgroup, cgroups(7). This
 * process is in there already, but nothing that is done from here on needs more than the container may.
 */
export function restrictDevices(b: ProgramBuilder, cgroup: string | undefined): void {
  if (cgroup === undefined) return;
  b.phase('device rules');
  const directory = openHost(b, cgroup, 'O_RDONLY', 'O_DIRECTORY', 'O_CLOEXEC');
  const attach = new Uint8Array(16);
  new DataView(attach.buffer).setUint32(8, BPF_CGROUP_DEVICE, true);
  new DataView(attach.buffer).setUint32(12, BPF_F_ALLOW_MULTI, true);
  const operand = b.bytes(attach, '{BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI}');
  b.store(operand, 0, directory);
  b.store(operand, 4, parameter('devices'));
  b.call('bpf', [named(BPF.BPF_PROG_ATTACH, 'BPF_PROG_ATTACH'), operand, num(attach.length)]);
  close(b, directory);
}
