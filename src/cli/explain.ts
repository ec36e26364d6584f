import type { Decision } from '../admission/admission.ts';
import { formatLevelVersion } from '../admission/pod-security/levels.ts';
import { printable } from '../base/printable.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import { describeFilter } from '../oci/seccomp/describe.ts';
import { NO_UID, type StagedContainer, stageAll, thisMachine } from '../runtime/stages.ts';
import { explainContainer, explainSurprises } from '../security/explain.ts';
import { printWarnings, readInput } from './input.ts';
import { type Args, type Io, networkOptions, seccompOptions } from './io.ts';
import { formatTable } from './table.ts';

/** Says in words what each setting of each container does, and where it came from. */
export async function run(args: Args, io: Io): Promise<number> {
  const input = await readInput(args, io, () => NO_UID);
  printWarnings(io, input.warnings);
  let exitCode = 0;
  const machine = thisMachine(io.roots, { ...seccompOptions(args), ...networkOptions(args) });
  for (const staged of stageAll(input.pods, input.objects, io.roots, machine)) {
    if (staged.imageWarning !== undefined) printWarnings(io, [staged.imageWarning]);
    io.out(`${explain(staged, io.color.out, input.decisions.get(staged.pod))}\n`);
    if ('error' in staged.stages) exitCode = 1;
  }
  return exitCode;
}

/** One container's page. */
export function explain(
  { pod, container, isInit, stages, network }: StagedContainer,
  hasColor: boolean,
  decision?: Decision,
): string {
  const bold = (text: string): string => (hasColor ? `\u001b[1m${text}\u001b[22m` : text);
  const kind = isInit ? 'init container' : 'container';
  const title = `${bold(`pod "${pod.metadata?.name}", ${kind} "${container.name}"`)} (${container.image})\n`;
  if ('error' in stages)
    return `${title}  would not be created: ${stages.reason}: ${printable(stages.error)}\n`;
  const { args, cwd } = stages.oci.process;
  const { seccomp } = stages.oci.linux;
  const filter = seccomp === undefined ? undefined : describeFilter(seccomp);
  const rows = explainContainer(pod, container, stages.security, filter).flatMap(
    ({ topic, text, origin, fields = [] }) => [
      [
        `  ${topic}`,
        isSetByPolicy(pod, container, fields, decision)
          ? `policy ${decision?.policy?.policy.metadata.name}`
          : origin,
        printable(text),
      ],
      ...(topic === 'network namespace' && network !== undefined ? [['  network', 'default', network]] : []),
    ],
  );
  const table = formatTable([
    ['  SETTING', 'FROM', 'EFFECT'],
    [
      '  command',
      container.command === undefined ? 'image' : 'container',
      `${args.map(quote).join(' ')} in ${printable(cwd)}`,
    ],
    ...explainAdmission(decision),
    ...rows,
  ]);
  const mark = hasColor ? '\u001b[33m!\u001b[39m' : '!';
  return `${title}${table}${[...stages.warnings, ...explainSurprises(pod, container)].map(warning => `  ${mark} ${warning}\n`).join('')}`;
}

/** Whether the deciding policy has set one of the fields, of the pod or of the container. */
function isSetByPolicy(
  { spec }: Pod,
  { name }: Container,
  fields: readonly string[],
  decision: Decision | undefined,
): boolean {
  const own = (['initContainers', 'containers'] as const).flatMap(list =>
    (spec?.[list] ?? []).flatMap((each, i) => (each.name === name ? [`spec.${list}[${i}]`] : [])),
  );
  const paths = [...own, 'spec'].flatMap(path => fields.map(field => `${path}.securityContext.${field}`));
  return (decision?.policy?.changes ?? []).some(change =>
    paths.some(path => change.path === path || change.path.startsWith(`${path}.`)),
  );
}

function explainAdmission(decision: Decision | undefined): readonly (readonly string[])[] {
  if (decision === undefined) return [];
  const { policy, enforced } = decision;
  return [
    ...(policy === undefined
      ? []
      : [
          [
            '  admission',
            `policy ${policy.policy.metadata.name}`,
            `PodSecurityPolicy, which ${policy.allowedBy.name} may use (${policy.allowedBy.reason || 'system:masters may do all'})`,
          ],
        ]),
    ...(enforced.level === 'privileged'
      ? []
      : [
          ['  admission', 'namespace', `Pod Security Standards: ${formatLevelVersion(enforced)} is enforced`],
        ]),
  ];
}

function quote(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word);
}
