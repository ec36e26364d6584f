import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { type Finding, sarif } from '../../../src/cli/sarif.ts';

interface Log {
  readonly $schema: string;
  readonly version: string;
  readonly runs: readonly {
    readonly tool: {
      readonly driver: {
        readonly name: string;
        readonly version: string;
        readonly rules: readonly { readonly id: string }[];
      };
    };
    readonly columnKind: string;
    readonly results: readonly {
      readonly ruleId: string;
      readonly ruleIndex: number;
      readonly level: string;
      readonly message: { readonly text: string };
      readonly locations: readonly {
        readonly physicalLocation: {
          readonly artifactLocation: { readonly uri: string };
          readonly region: { readonly startLine: number; readonly startColumn: number };
        };
      }[];
    }[];
  }[];
}

/** What the schema of SARIF 2.1.0 demands of what we print, and what code hosts do beyond it. */
function mistakesOf({ $schema, version, runs }: Log): readonly string[] {
  const mistakes: string[] = [];
  const check = (isRight: boolean, what: string): void => {
    if (!isRight) mistakes.push(what);
  };
  check($schema === 'https://json.schemastore.org/sarif-2.1.0.json' && version === '2.1.0', 'version');
  check(runs.length === 1, 'one run');
  for (const { tool, columnKind, results } of runs) {
    const ids = tool.driver.rules.map(({ id }) => id);
    check(tool.driver.name === 'podspace' && tool.driver.version !== '', 'driver');
    check(new Set(ids).size === ids.length, 'rules are unique');
    check(columnKind === 'utf16CodeUnits', 'columnKind');
    for (const { ruleId, ruleIndex, level, message, locations } of results) {
      check(ids[ruleIndex] === ruleId, `rule ${ruleId}`);
      check(['none', 'note', 'warning', 'error'].includes(level), `level ${level}`);
      check(message.text !== '', 'message');
      check(locations.length === 1, 'one location');
      for (const { physicalLocation } of locations) {
        const { artifactLocation, region } = physicalLocation;
        check(/^[A-Za-z0-9._~!'()*%/:-]+$/.test(artifactLocation.uri), `uri ${artifactLocation.uri}`);
        check(Number.isInteger(region.startLine) && region.startLine >= 1, 'startLine');
        check(Number.isInteger(region.startColumn) && region.startColumn >= 1, 'startColumn');
      }
    }
  }
  return mistakes;
}

const finding = (parts: Partial<Finding> = {}): Finding => ({
  ruleId: 'r',
  level: 'error',
  message: 'm',
  file: 'pod.yaml',
  line: 1,
  column: 1,
  ...parts,
});
const log = (...findings: readonly Finding[]): Log => sarif(findings, '1.2.3') as Log;

t.test('every golden is well-formed SARIF', t => {
  let count = 0;
  for (const name of readdirSync('test/validate')) {
    const text = existsSync(`test/validate/${name}/sarif.json`)
      ? readFileSync(`test/validate/${name}/sarif.json`, 'utf8')
      : '';
    if (!text.startsWith('{')) continue;
    const document = JSON.parse(text) as Log;
    count += document.runs.flatMap(({ results }) => results).length;
    t.strictSame(mistakesOf(document), [], name);
  }
  t.ok(count > 50, `${count} results`);
  t.end();
});

t.test('rules are named once, and results point at them', t => {
  const { runs } = log(
    finding({ ruleId: 'b' }),
    finding({ ruleId: 'a', level: 'note' }),
    finding({ ruleId: 'b' }),
  );
  t.strictSame(runs[0]?.tool.driver.rules, [{ id: 'a' }, { id: 'b' }]);
  t.strictSame(
    runs[0]?.results.map(({ ruleIndex, level }) => [ruleIndex, level]),
    [
      [1, 'error'],
      [0, 'note'],
      [1, 'error'],
    ],
  );
  t.strictSame(mistakesOf(log()), [], 'nothing is found');
  t.end();
});

const URIS: Readonly<Record<string, string>> = {
  'pod.yaml': 'pod.yaml',
  'a/b c.yaml': 'a/b%20c.yaml',
  './pod.yaml': './pod.yaml',
  '../pod.yaml': '../pod.yaml',
  'what?#1.yaml': 'what%3F%231.yaml',
  'c:d.yaml': 'c%3Ad.yaml',
  '100%.yaml': '100%25.yaml',
  'ä.yaml': '%C3%A4.yaml',
  '(stdin)': '(stdin)',
  '/abs/p.yaml': 'file:///abs/p.yaml',
};

t.test('paths as URIs', t => {
  for (const [file, uri] of Object.entries(URIS)) {
    const document = log(finding({ file }));
    t.strictSame(mistakesOf(document), [], file);
    const location = document.runs[0]?.results[0]?.locations[0]?.physicalLocation.artifactLocation;
    t.strictSame(location, { uri });
    const { pathname, search, hash } = new URL(uri, 'file:///base/dir/');
    t.equal(search + hash, '', 'it is a path, and nothing else');
    t.equal(decodeURIComponent(pathname), resolve('/base/dir', file), file);
  }
  t.end();
});
