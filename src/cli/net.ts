import { canonicalAddress } from '../base/addresses.ts';
import { UserError } from '../base/errors.ts';
import { loadManifest } from '../kube/manifest.ts';
import {
  describeParty,
  describePod,
  describeReach,
  describeServices,
  describeVerdict,
} from '../network/describe.ts';
import { explainPolicy } from '../network/explain-policy.ts';
import { isolatingPolicies, verdict } from '../network/model.ts';
import { networkObjects } from '../network/objects.ts';
import { type Reach, reachability } from '../network/reachability.ts';
import { type NetworkPod, type NodeState, protocolOf, qualifiedName } from '../network/state.ts';
import { readNodeState } from '../runtime/node-rules.ts';
import { readManifest } from '../runtime/read-manifest.ts';
import { type Args, type Io, text, texts } from './io.ts';
import { connects } from './net-connect.ts';
import { partyNamed } from './net-party.ts';
import { requireRoot } from './root.ts';
import { formatTable } from './table.ts';

type Action = (args: Args, io: Io, words: readonly string[]) => number | Promise<number>;
const ACTIONS: Readonly<Record<string, Action>> = { '': matrix, test, policy };

/** `net`, `net test FROM TO:PORT`, `net policy explain FILE`. */
export async function run(args: Args, io: Io): Promise<number> {
  const [name = '', ...words] = texts(args, 'action');
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined)
    throw new UserError(`unknown action "${name}"`, { hint: 'podspace net [test|policy explain]' });
  return action(args, io, words);
}

/** Who may talk to whom. */
function matrix(args: Args, io: Io): number {
  requireRoot();
  const state = readNodeState();
  const reaches = reachability(state);
  if (text(args, 'output') === 'json') {
    io.out(
      `${JSON.stringify({ pods: state.pods, reachability: reaches.map(asJson), services: describeServices(state) }, null, 2)}\n`,
    );
    return 0;
  }
  if (state.pods.length === 0) {
    io.out('no pod is running\n');
    return 0;
  }
  io.out(
    formatTable([
      ['POD', 'ADDRESSES', 'PORTS', 'INGRESS BY', 'EGRESS BY'],
      ...state.pods.map(pod => podRow(state, pod)),
    ]),
  );
  const parties = [...state.pods.map(describePod), '(node)'];
  const cell = (from: string, to: string): string => {
    const reach = reaches.find(each => describeParty(each.from) === from && describeParty(each.to) === to);
    return reach === undefined ? '' : describeReach(reach);
  };
  io.out('\n');
  io.out(
    formatTable(
      [['FROM \\ TO', ...parties], ...parties.map(from => [from, ...parties.map(to => cell(from, to))])],
      (word, row, column) =>
        io.color.out && row > 0 && column > 0 && word !== ''
          ? `\u001b[${word === '-' ? 31 : 32}m${word}\u001b[39m`
          : word,
    ),
  );
  const services = describeServices(state);
  if (services.length > 0)
    io.out(
      `\n${formatTable([
        ['SERVICE', 'ADDRESS', 'NODE PORT', 'ENDPOINTS'],
        ...services.map(({ service, address, nodePort, endpoints }) => [
          service,
          address,
          nodePort === undefined ? '-' : String(nodePort),
          endpoints.join(', ') || '(none: clients are refused)',
        ]),
      ])}`,
    );
  io.out('\nall: every port · -: none · else the ports at which it may connect\n');
  return 0;
}

function podRow(state: NodeState, pod: NetworkPod): readonly string[] {
  const ports = pod.ports.map(
    ({ protocol, containerPort, hostPort }) =>
      `${hostPort === undefined ? '' : `${hostPort}->`}${containerPort}/${protocol}`,
  );
  const by = (direction: 'Ingress' | 'Egress'): string =>
    isolatingPolicies(state, pod, direction).map(qualifiedName).join(', ') || '-';
  const address = pod.hostNetwork ? '(the node’s)' : pod.ips.join(', ') || '(none)';
  return [describePod(pod), address, ports.join(', ') || '-', by('Ingress'), by('Egress')];
}

const asJson = (reach: Reach): object => ({
  from: describeParty(reach.from),
  to: describeParty(reach.to),
  everything: reach.everything,
  ports: reach.ports,
});

const MAX_PORT = 65535;

/** In canonical text. */
function nodeAddresses(): readonly string[] {
  const all = Object.values(process.getBuiltinModule('node:os').networkInterfaces()).flat();
  return all.flatMap(each => canonicalAddress(each?.address ?? '') ?? []);
}

/** What policies say of one connection, and what the kernel does with it. Exit code 0 if it is let through. */
async function test(
  args: Args,
  io: Io,
  [from = '', target = '', ...more]: readonly string[],
): Promise<number> {
  const [, to = '', portText = ''] = /^(.*):(\d+)$/.exec(target) ?? [];
  if (from === '' || to === '' || more.length > 0)
    throw new UserError('podspace net test needs FROM and TO:PORT', {
      hint: 'podspace net test client web:80',
    });
  const port = Number(portText);
  if (port < 1 || port > MAX_PORT)
    throw new UserError(`port ${portText}: must be between 1 and ${MAX_PORT}, inclusive`);
  requireRoot();
  const protocol = protocolOf(text(args, 'protocol')?.toUpperCase());
  const state = readNodeState();
  const own = nodeAddresses();
  const [source, destination] = [partyNamed(state, from, own), partyNamed(state, to, own)];
  const decided = verdict(state, source, destination, { protocol, port });
  io.out(
    `${describeParty(source)} → ${describeParty(destination)} ${protocol} ${port}: ${decided.allowed ? 'allowed' : 'denied'}\n${describeVerdict(
      decided,
    )
      .map(line => `  ${line}\n`)
      .join('')}`,
  );
  if (protocol !== 'TCP' || source.kind === 'address') {
    io.out(
      `not tried: ${source.kind === 'address' ? 'only the node and its pods can be asked to connect' : 'a connection tells something of TCP only'}\n`,
    );
    return decided.allowed ? 0 : 1;
  }
  const answer = await connects(io.roots, source, destination, port);
  io.out(`tried: ${answer.text}\n`);
  if (decided.allowed !== answer.isLetThrough) {
    io.err('error: the kernel does not agree with the policies\n');
    return 2;
  }
  return decided.allowed ? 0 : 1;
}

/** `net policy explain FILE` */
function policy(_args: Args, io: Io, [verb = '', ...files]: readonly string[]): number {
  if (verb !== 'explain' || files.length === 0)
    throw new UserError('podspace net policy needs: explain FILE', {
      hint: 'podspace net policy explain policies.yaml',
    });
  const named = files.map(file => ({ file: file === '-' ? '(stdin)' : file, text: readManifest(file) }));
  const { policies } = networkObjects(loadManifest(named).others);
  if (policies.length === 0) throw new UserError(`${files.join(', ')}: no NetworkPolicy`);
  for (const each of policies) io.out(`${explainPolicy(each).join('\n')}\n`);
  return 0;
}
