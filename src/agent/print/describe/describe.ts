import { alignTabs } from '../align-tabs.ts';
import type { Named } from '../row.ts';
import { CONFIG_DESCRIBERS } from './config.ts';
import { describeAny } from './generic.ts';
import type { Describer, Related } from './lines.ts';
import { NETWORK_DESCRIBERS } from './network.ts';
import { describeNode } from './node.ts';
import { describePod } from './pod.ts';
import { ROLE_DESCRIBERS } from './roles.ts';

const DESCRIBERS: Readonly<Record<string, Describer>> = {
  Pod: describePod,
  Node: describeNode,
  ...CONFIG_DESCRIBERS,
  ...NETWORK_DESCRIBERS,
  ...ROLE_DESCRIBERS,
};

/** Kinds whose descriptions say which pods have something to do with the object. */
export const DESCRIBED_WITH_PODS: readonly string[] = ['PersistentVolumeClaim', 'Node'];

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** An object in words, as `kubectl describe` prints it at the time `now` (milliseconds). */
export function describeObject(kind: string, object: Named, related: Related, now: number): string {
  const describe = (Object.hasOwn(DESCRIBERS, kind) ? DESCRIBERS[kind] : undefined) ?? describeAny;
  const lines = describe(object as never, related, now);
  // A line break in a value begins a new line, as with kubectl; what a terminal obeys does not reach it.
  return alignTabs(lines.flatMap(text => text.split('\n')).map(text => text.replace(CONTROL, '?')));
}
