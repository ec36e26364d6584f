import type {
  Observation,
  ObservedCall,
  ObservedCapabilities,
  ObservedCapability,
  WrittenDirectory,
} from './observation.ts';

/** What several attempts of one container did, as one. */
export function mergeObservations(all: readonly Observation[]): Observation {
  return {
    calls: mergeBy(
      all.flatMap(({ calls }) => calls),
      ({ architecture, name }) => `${architecture}/${name}`,
      addCalls,
    ),
    capabilities: mergeCapabilities(all.map(({ capabilities }) => capabilities)),
    written: mergeBy(
      all.flatMap(({ written }) => written),
      ({ path }) => path,
      addNames,
    ),
    isWrittenCut: all.some(({ isWrittenCut }) => isWrittenCut),
  };
}

function mergeBy<T>(items: readonly T[], key: (item: T) => string, add: (a: T, b: T) => T): readonly T[] {
  const merged = new Map<string, T>();
  for (const item of items) {
    const known = merged.get(key(item));
    merged.set(key(item), known === undefined ? item : add(known, item));
  }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
}

const union = <T>(a: readonly T[], b: readonly T[]): readonly T[] => [...new Set([...a, ...b])].sort();

const addCalls = (a: ObservedCall, b: ObservedCall): ObservedCall => ({
  ...a,
  count: a.count + b.count,
  firstArguments: [...new Set([...a.firstArguments, ...b.firstArguments])].sort((x, y) => x - y),
});

const addNames = (a: WrittenDirectory, b: WrittenDirectory): WrittenDirectory => ({
  ...a,
  names: union(a.names, b.names),
});

const addCapability = (a: ObservedCapability, b: ObservedCapability): ObservedCapability => ({
  ...a,
  calls: union(a.calls, b.calls),
});

/** Watched only if each attempt was: what is not known of one is not known of all. */
function mergeCapabilities(all: readonly Observation['capabilities'][]): Observation['capabilities'] {
  const watched: ObservedCapabilities[] = [];
  for (const each of all) {
    if ('unwatched' in each) return each;
    watched.push(each);
  }
  const merge = (list: readonly ObservedCapability[]): readonly ObservedCapability[] =>
    mergeBy(list, ({ name }) => name, addCapability);
  const used = merge(watched.flatMap(each => each.used));
  return {
    used,
    refused: merge(watched.flatMap(each => each.refused)).filter(
      ({ name }) => !used.some(each => each.name === name),
    ),
    lost: watched.reduce((sum, { lost }) => sum + lost, 0),
  };
}
