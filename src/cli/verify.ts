import { formatLevelVersion } from '../admission/pod-security/levels.ts';
import type { Verified } from '../admission/verify/facts.ts';
import { verifyLevel } from '../admission/verify/level.ts';
import { verifyPolicy } from '../admission/verify/policy.ts';
import { UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { kernelFacts } from '../runtime/kernel-facts.ts';
import { askedPod } from './asked-pod.ts';
import { type Args, type Io, text } from './io.ts';
import { requireRoot } from './root.ts';
import { formatTable } from './table.ts';

/** Asks the kernel whether a running pod is what admission promised. Exit code 1 if it is not in some point. */
export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const { record, paths } = await askedPod(args, io, 'get');
  const { pod, admission } = record;
  const enforced = admission?.enforced ?? { level: 'privileged', version: 'latest' };
  const { policy } = admission ?? {};
  const containers = kernelFacts(record, paths);
  if (containers.length === 0) throw new UserError(`no container of pod "${record.name}" is running`);
  const rows = containers.flatMap(facts => [
    ...(policy === undefined ? [] : verifyPolicy(policy, pod, facts)),
    ...verifyLevel(enforced, pod, facts),
  ]);
  const agrees = rows.every(row => row.agrees);
  if (text(args, 'output') === 'json') {
    const { name, namespace } = record;
    const level = formatLevelVersion(enforced);
    io.out(
      `${JSON.stringify({ name, namespace, policy: policy?.metadata.name, level, agrees, rules: rows }, null, 2)}\n`,
    );
  } else print(io, rows);
  return agrees ? 0 : 1;
}

function print(io: Io, rows: readonly Verified[]): void {
  if (rows.length === 0) {
    io.out('no policy and no level has decided about this pod: nothing was promised\n');
    return;
  }
  const table = rows.map(({ container, rule, promised, found, agrees }) => [
    container,
    rule,
    promised,
    printable(found),
    agrees ? 'yes' : 'NO',
  ]);
  const paint = (cell: string, row: number, column: number): string =>
    io.color.out && row > 0 && column === 4 ? `\u001b[${cell === 'yes' ? 32 : 31}m${cell}\u001b[39m` : cell;
  io.out(formatTable([['CONTAINER', 'RULE', 'PROMISED', 'THE KERNEL SAYS', 'AGREES'], ...table], paint));
}
