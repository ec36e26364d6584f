import fc from 'fast-check';
import t from 'tap';
import { setDefaults } from '../../src/kube/defaults.ts';
import { formatFieldError } from '../../src/kube/field-error.ts';
import { loadManifest } from '../../src/kube/manifest.ts';
import { ManifestError } from '../../src/kube/source.ts';
import { checkSupport } from '../../src/kube/support.ts';
import { validatePod } from '../../src/kube/validate.ts';

/** A run ends after this time; FUZZ_SECONDS makes it longer, FUZZ_SEED repeats one. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 3);
const SEED = process.env.FUZZ_SEED === undefined ? undefined : Number(process.env.FUZZ_SEED);
/** No input here is larger than a few kilobytes. */
const SLOW = 1500;

const SAMPLE = `apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: &labels {app: web, "tier": front}
  annotations:
    <<: *labels
    note: |
      two
      lines
spec:
  hostNetwork: true
  securityContext: {runAsUser: 0644, supplementalGroups: [1, 2], sysctls: [{name: a.b, value: "1"}]}
  volumes:
  - {name: data, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
  - name: config
    configMap: {name: m, defaultMode: 0o400, items: [{key: a, path: b/c}]}
  initContainers:
  - {name: init, image: busybox, restartPolicy: Always}
  containers:
  - name: web
    image: 'localhost/busybox:1.0'
    command: [sh, -c, "echo $(A) $$(B)"]
    env: [{name: A, value: "1"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    ports: [{containerPort: 80, hostPort: 80, protocol: TCP}]
    resources: {limits: {cpu: 500m}, requests: {cpu: 0.1}}
    livenessProbe: {httpGet: {port: http}, periodSeconds: 5}
    securityContext: {capabilities: {add: [NET_ADMIN], drop: [ALL]}, privileged: no}
    volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: YQ==}
`;

/** Throws unless the text is read, or refused with mistakes that all have a place in it. */
function check(text: string): void {
  const start = performance.now();
  try {
    for (const { pod, source } of loadManifest([{ file: 'f', text }]).pods) {
      const defaulted = setDefaults(pod);
      for (const error of [...validatePod(defaulted), ...checkSupport(defaulted).errors]) {
        formatFieldError(error);
        checkPlace(text, source.locate(error.path));
      }
    }
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    if (error.errors.length === 0) throw new Error('refused for no reason');
    for (const mistake of error.errors) {
      checkPlace(text, mistake);
      if (mistake.message === '' || /call stack|undefined|\[object|not a function/.test(mistake.message))
        throw new Error(`no message for a user: ${mistake.message}`);
    }
  }
  const time = performance.now() - start;
  if (time > SLOW) throw new Error(`took ${Math.round(time)} ms`);
}

function checkPlace(
  text: string,
  { line, column }: { readonly line: number; readonly column: number },
): void {
  const lines = text.replace(/^\uFEFF/, '').split('\n');
  const isInside = line >= 1 && line <= lines.length && column >= 1;
  if (!isInside || column > (lines[line - 1] ?? '').length + 1)
    throw new Error(`no such place: ${line}:${column}`);
}

const TOKENS = [
  ...[
    '- ',
    ': ',
    '? ',
    '*a ',
    '&a ',
    '<<: *a\n',
    '{',
    '}',
    '[',
    ']',
    ',',
    '"',
    "'",
    '|\n',
    '>-\n',
    '#',
    '\n',
    '\n  ',
    '\t',
  ],
  ...[
    '---\n',
    '...\n',
    '!!str ',
    '!!binary ',
    '!foo ',
    '%YAML 1.1\n',
    '~',
    'null',
    'yes',
    '0x1F',
    '1e3',
    '.inf',
    '-1',
    '\u0000',
  ],
  ...[
    '\uFEFF',
    '\r',
    '\u2028',
    '😀',
    '__proto__: ',
    'constructor',
    'apiVersion: v1\n',
    'kind: Pod\n',
    'kind: List\n',
    'items:\n',
  ],
  ...[
    'metadata: ',
    'spec: ',
    'containers: ',
    'name: ',
    'volumes: ',
    'securityContext: ',
    'data: ',
    'valueFrom: ',
    '99999999999999999999',
  ],
];

const chunk = fc.oneof(fc.constantFrom(...TOKENS), fc.string({ maxLength: 6 }));
const random = fc.array(chunk, { maxLength: 60 }).map(parts => parts.join(''));

/** The sample with parts taken away, doubled, moved or replaced. */
const edit = fc.record({
  at: fc.nat(SAMPLE.length),
  length: fc.nat(40),
  from: fc.nat(SAMPLE.length),
  kind: fc.constantFrom('delete', 'copy', 'insert', 'indent'),
  text: chunk,
});
const mutated = fc.array(edit, { minLength: 1, maxLength: 8 }).map(edits =>
  edits.reduce((text, { at, length, from, kind, text: part }) => {
    const [head, tail] = [text.slice(0, at), text.slice(at)];
    if (kind === 'delete') return head + tail.slice(length);
    if (kind === 'copy') return head + text.slice(from, from + length) + tail;
    return kind === 'insert' ? head + part + tail : head + tail.replaceAll('\n', '\n ');
  }, SAMPLE),
);

/** Well-formed trees of any shape under the names of the API. */
const names = fc.constantFrom(
  'spec',
  'containers',
  'name',
  'image',
  'env',
  'value',
  'volumes',
  'metadata',
  'labels',
  'ports',
  'securityContext',
  'x',
  '__proto__',
);
const { tree } = fc.letrec<{ tree: unknown }>(tie => ({
  tree: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 2 ** 40, '', 'a', 'yes', '64Mi'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(names, tie('tree'), { maxKeys: 4 }),
  ),
}));
const shaped = tree.map(spec =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec }),
);

t.setTimeout((SECONDS + 60) * 1000);
const INPUTS = { random, mutated, shaped };
t.test('the sample itself is read', t => {
  t.doesNotThrow(() => loadManifest([{ file: 'f', text: SAMPLE }]));
  t.end();
});
for (const [name, input] of Object.entries(INPUTS)) {
  t.test(`${name} text is read, or refused with places`, { timeout: (SECONDS + 30) * 1000 }, t => {
    const limit = (SECONDS * 1000) / Object.keys(INPUTS).length;
    const result = fc.check(fc.property(input, check), {
      numRuns: 1_000_000,
      interruptAfterTimeLimit: limit,
      seed: SEED,
    });
    if (result.failed) t.fail(`${String(result.errorInstance)}\n${fc.defaultReportMessage(result)}`);
    else t.pass(`${result.numRuns} inputs`);
    t.comment(`${name}: ${result.numRuns} inputs, seed ${result.seed}`);
    t.end();
  });
}
