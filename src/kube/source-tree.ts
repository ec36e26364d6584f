import { type Alias, type Document, isPair, isScalar, type Node, type Pair, visit } from 'yaml';

/** A mistake in the shape of a document, at an offset into its file. */
export interface TreeError {
  readonly offset: number;
  readonly message: string;
}

export interface Tree {
  /** What each alias stands for: the last node before it with that anchor. */
  readonly targets: ReadonlyMap<unknown, Node>;
  readonly errors: readonly TreeError[];
}

/** No object of the API is nested so deeply; every level is a function call of whoever walks the tree. */
const MAX_DEPTH = 400;

/**
 * One walk over a document for all that the parser leaves open: what aliases stand for (the package searches the whole
 * document for each of them), aliases that contain themselves, keys that are given twice (the package compares all
 * pairs), and endless nesting. The messages are those of sigs.k8s.io/yaml.
 */
export function checkTree(document: Document): Tree {
  const anchors = new Map<string, Node>();
  const targets = new Map<unknown, Node>();
  const errors: TreeError[] = [];
  const report = (node: unknown, message: string): void => {
    errors.push({ offset: (node as Node).range?.[0] ?? 0, message });
  };
  const open = (node: Node, depth: number): symbol | undefined => {
    if ('anchor' in node && node.anchor !== undefined) anchors.set(node.anchor, node);
    if (depth <= MAX_DEPTH) return undefined;
    report(node, 'nested too deeply');
    return visit.BREAK;
  };
  visit(document, {
    Alias(_key, alias: Alias, path) {
      const target = anchors.get(alias.source);
      if (target === undefined) report(alias, `unknown anchor '${alias.source}' referenced`);
      else if (path.includes(target)) report(alias, `anchor '${alias.source}' value contains itself`);
      else targets.set(alias, target);
    },
    Scalar: (_key, node, path) => open(node, path.length),
    Seq: (_key, node, path) => open(node, path.length),
    Map(_key, node, path) {
      for (const { key, text } of repeatedKeys(node.items))
        report(key, `key ${JSON.stringify(text)} already set in map`);
      return open(node, path.length);
    },
  });
  return { targets, errors };
}

function repeatedKeys(pairs: readonly Pair[]): readonly { readonly key: unknown; readonly text: string }[] {
  const seen = new Set<string>();
  return pairs.flatMap(pair => {
    // A merge key is a symbol; several of them are one after the other.
    const key = isPair(pair) ? pair.key : undefined;
    if (!isScalar(key) || typeof key.value === 'symbol') return [];
    const text = String(key.value);
    const isRepeated = seen.has(text);
    seen.add(text);
    return isRepeated ? [{ key, text }] : [];
  });
}
