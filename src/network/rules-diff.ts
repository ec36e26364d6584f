import { TABLE } from './nft.ts';

/** A set, a map or a chain of a rule set's text. */
interface Block {
  readonly kind: string;
  readonly name: string;
  /** What cannot be changed: the type of a set, the hook of a chain. */
  readonly head: string;
  readonly elements: readonly string[];
  readonly rules: readonly string[];
}

const BLOCK = /^ {2}(set|map|chain) (\S+) \{\n(.*?)^ {2}\}$/gms;
const ELEMENTS = /^elements = \{ (.*) \}$/;

function blocksOf(text: string): ReadonlyMap<string, Block> {
  return new Map(
    [...text.matchAll(BLOCK)].map(([, kind = '', name = '', body = '']) => {
      const lines = body.split('\n').flatMap(line => (line === '' ? [] : [line.trim()]));
      const isHead = (line: string): boolean => kind !== 'chain' || line.startsWith('type ');
      const elements = lines.flatMap(line => ELEMENTS.exec(line)?.[1] ?? []);
      return [
        name,
        {
          kind,
          name,
          head: lines.filter(line => isHead(line) && !ELEMENTS.test(line)).join('\n'),
          elements: elements.flatMap(each => each.split(', ')),
          rules: lines.filter(line => !isHead(line)),
        },
      ];
    }),
  );
}

/**
 * The commands that make of one rule set another, in one transaction: most changes are a few elements of sets. Both are
 * texts of `ruleset`. Undefined if something differs that can only be made anew: then the whole table must be.
 */
export function difference(from: string, to: string): string | undefined {
  const [before, after] = [blocksOf(from), blocksOf(to)];
  const gone = [...before.values()].filter(({ name }) => !after.has(name));
  const pairs = [...after.values()].map(block => ({ block, old: before.get(block.name) }));
  if (pairs.some(({ block, old }) => old !== undefined && !canBecome(old, block))) return undefined;
  const changes = pairs.map(({ block, old }) => changeOf(block, old));
  const removals = [...gone].sort(
    (one, other) => (one.kind === 'chain' ? 0 : 1) - (other.kind === 'chain' ? 0 : 1),
  );
  const blocks = changes.flatMap(({ block }) => block);
  return [
    // What leads to a chain keeps it.
    ...gone.flatMap(({ kind, name }) => (kind === 'set' ? [] : [`flush ${kind} ${TABLE} ${name}`])),
    ...changes.flatMap(({ first }) => first),
    ...(blocks.length > 0 ? [`table ${TABLE} {`, ...blocks, '}'] : []),
    ...removals.map(({ kind, name }) => `delete ${kind} ${TABLE} ${name}`),
  ].join('\n');
}

/** Ranges are kept as their borders, which two changes at once can mix up. */
function canBecome(old: Block, { kind, head, elements }: Block): boolean {
  if (old.kind !== kind || old.head !== head) return false;
  return !head.includes('interval') || old.elements.join() === elements.join();
}

interface Change {
  /** Commands that come before all blocks. */
  readonly first: readonly string[];
  readonly block: readonly string[];
}

const NOTHING: Change = { first: [], block: [] };

function changeOf(block: Block, old: Block | undefined): Change {
  const { kind, name, head, elements, rules } = block;
  if (kind === 'chain') {
    if (old?.rules.join('\n') === rules.join('\n')) return NOTHING;
    return {
      first: old === undefined ? [] : [`flush chain ${TABLE} ${name}`],
      block: text(kind, name, head, rules),
    };
  }
  const [had, has] = [new Set(old?.elements), new Set(elements)];
  const lost = (old?.elements ?? []).filter(element => !has.has(element));
  const won = elements.filter(element => !had.has(element));
  if (old !== undefined && lost.length + won.length === 0) return NOTHING;
  return {
    first: lost.length === 0 ? [] : [`delete element ${TABLE} ${name} { ${lost.join(', ')} }`],
    block:
      old !== undefined && won.length === 0
        ? []
        : text(kind, name, head, won.length === 0 ? [] : [`elements = { ${won.join(', ')} }`]),
  };
}

function text(kind: string, name: string, head: string, lines: readonly string[]): readonly string[] {
  return [`  ${kind} ${name} {`, ...(head === '' ? [] : [head]), ...lines, '  }'];
}
