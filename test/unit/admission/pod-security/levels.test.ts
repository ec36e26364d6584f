import fc from 'fast-check';
import t from 'tap';
import {
  DEFAULT_POD_SECURITY,
  formatLevelVersion,
  LEVELS,
  MODES,
  namespacePodSecurity,
  parseLevel,
  parseVersion,
  validateNamespaceLabels,
} from '../../../../src/admission/pod-security/levels.ts';
import { formatFieldError } from '../../../../src/kube/field-error.ts';

const PREFIX = 'pod-security.kubernetes.io/';

/** `enforce=baseline enforce-version=v1.22` as a namespace has them, among others. */
function labelsOf(words: string): Record<string, string> {
  const pairs = words.split(' ').map(word => word.split('='));
  return Object.fromEntries([
    ['other', 'foo'],
    ...pairs.flatMap(([key = '', value = '']) => (key === '' ? [] : [[PREFIX + key, value]])),
  ]);
}

t.test('levels and versions', t => {
  for (const level of LEVELS) t.equal(parseLevel(level), level);
  for (const text of ['', 'Baseline', ' baseline', 'default', 'constructor'])
    t.equal(parseLevel(text), undefined, text);
  for (const [text, version] of [
    ['latest', 'latest'],
    ['v1.0', 0],
    ['v1.1', 1],
    ['v1.20', 20],
    ['v1.10000', 10000],
  ] as const) {
    t.equal(parseVersion(text), version, text);
    t.equal(formatLevelVersion({ level: 'baseline', version }), `baseline:${text}`);
  }
  for (const text of [
    'foo',
    '',
    'v2.0',
    'v1',
    '1.1',
    'v1.01',
    'v1.-1',
    'v1.1.0',
    'v1.1 ',
    'v1.1\n',
    'Latest',
  ])
    t.equal(parseVersion(text), undefined, JSON.stringify(text));
  t.equal(parseVersion(`v1.${'9'.repeat(50)}`), undefined);
  t.end();
});

t.test('what the labels of a namespace come to', t => {
  const privileged = 'privileged:latest';
  for (const [words, enforce, audit, warn] of [
    ['', privileged, privileged, privileged],
    // Warn follows a stricter enforce, with its version…
    ['enforce=baseline', 'baseline:latest', privileged, 'baseline:latest'],
    ['enforce=baseline enforce-version=v1.22', 'baseline:v1.22', privileged, 'baseline:v1.22'],
    [
      'enforce=baseline enforce-version=v1.22 warn-version=latest',
      'baseline:v1.22',
      privileged,
      'baseline:latest',
    ],
    ['enforce=baseline warn-version=v1.23', 'baseline:latest', privileged, 'baseline:v1.23'],
    // … unless it is said, even as a mistake, or enforce is one.
    ['enforce=baseline warn=privileged', 'baseline:latest', privileged, privileged],
    ['enforce=baseline warn=restricted', 'baseline:latest', privileged, 'restricted:latest'],
    ['enforce=baseline warn=foo', 'baseline:latest', privileged, privileged],
    ['enforce=foo', 'restricted:latest', privileged, privileged],
    ['enforce=', 'restricted:latest', privileged, privileged],
    ['enforce=privileged enforce-version=v1.22', 'privileged:v1.22', privileged, privileged],
    ['enforce-version=v1.22', 'privileged:v1.22', privileged, privileged],
    ['warn=restricted', privileged, privileged, 'restricted:latest'],
    ['warn=restricted warn-version=foo', privileged, privileged, 'restricted:latest'],
    // Nothing is inherited by audit.
    ['audit=baseline', privileged, 'baseline:latest', privileged],
    ['audit=foo audit-version=v1.22', privileged, 'privileged:v1.22', privileged],
    ['enforce=restricted enforce-version=1.22', 'restricted:latest', privileged, 'restricted:latest'],
    [
      'enforce=baseline enforce-version=v1.20 warn=restricted warn-version=v1.21 audit=restricted audit-version=v1.22',
      ...['baseline:v1.20', 'restricted:v1.22', 'restricted:v1.21'],
    ],
  ] as const) {
    const security = namespacePodSecurity(labelsOf(words));
    t.same(
      MODES.map(mode => formatLevelVersion(security[mode])),
      [enforce, audit, warn],
      words,
    );
  }
  t.same(namespacePodSecurity(undefined), DEFAULT_POD_SECURITY);
  t.end();
});

t.test('the cluster has defaults for what no label says', t => {
  const defaults = {
    enforce: { level: 'baseline', version: 30 },
    audit: { level: 'restricted', version: 'latest' },
    warn: { level: 'restricted', version: 31 },
  } as const;
  t.same(namespacePodSecurity({}, defaults), defaults);
  t.same(namespacePodSecurity(labelsOf('enforce=privileged audit-version=v1.3 warn=foo'), defaults), {
    enforce: { level: 'privileged', version: 30 },
    audit: { level: 'restricted', version: 3 },
    warn: { level: 'privileged', version: 31 },
  });
  // What warns more strictly than is enforced, goes on.
  t.same(namespacePodSecurity(labelsOf('enforce=baseline'), defaults).warn, defaults.warn);
  t.end();
});

t.test('labels that a namespace cannot be written with', t => {
  const errorsOf = (words: string, path?: string) =>
    validateNamespaceLabels(labelsOf(words), path).map(formatFieldError);
  t.same(errorsOf(''), []);
  t.same(validateNamespaceLabels(undefined), []);
  t.same(errorsOf('enforce=restricted enforce-version=latest audit=baseline warn-version=v1.36'), []);
  t.same(errorsOf('enforce=foo'), [
    'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "foo": must be one of privileged, baseline, restricted',
  ]);
  t.same(errorsOf('enforce-version=1.22'), [
    'metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "1.22": must be "latest" or "v1.x"',
  ]);
  t.same(
    errorsOf('warn-version=a warn=b audit-version=c audit=d enforce-version=e enforce=f', 'labels').map(
      error => error.replace(/: must.*/, ''),
    ),
    [
      'labels[pod-security.kubernetes.io/enforce]: Invalid value: "f"',
      'labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "e"',
      'labels[pod-security.kubernetes.io/audit]: Invalid value: "d"',
      'labels[pod-security.kubernetes.io/audit-version]: Invalid value: "c"',
      'labels[pod-security.kubernetes.io/warn]: Invalid value: "b"',
      'labels[pod-security.kubernetes.io/warn-version]: Invalid value: "a"',
    ],
  );
  t.end();
});

t.test('whatever the labels say there is a policy, and a mistake enforces the strictest', t => {
  const value = fc.oneof(fc.constantFrom(...LEVELS, 'latest', 'v1.25'), fc.string());
  const keys = MODES.flatMap(mode => [PREFIX + mode, `${PREFIX}${mode}-version`]);
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value), labels => {
        const security = namespacePodSecurity(labels);
        const mistakes = validateNamespaceLabels(labels).map(({ path }) => path);
        return MODES.every(mode => {
          const { level } = security[mode];
          const isMistaken = mistakes.includes(`metadata.labels[${PREFIX}${mode}]`);
          return isMistaken
            ? level === (mode === 'enforce' ? 'restricted' : 'privileged')
            : level === (labels[PREFIX + mode] ?? (mode === 'warn' ? level : 'privileged'));
        });
      }),
    ),
  );
  t.end();
});
