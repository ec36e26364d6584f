import t from 'tap';
import { formatSourceError } from '../../../src/kube/source.ts';
import { HEAD, load, mistakesOf, placesOf } from './pods.ts';

/** The hint for one line that is added to the container of HEAD. */
const hintOf = (line: string): string | undefined => mistakesOf(`${HEAD}    ${line}\n`)[0]?.hint;

t.test('all mistakes of a file at once, each at its place', t => {
  const text = `${HEAD.replace('image: i', 'image: [i]')}    comand: [sh]\n    stdin: "true"\n  hostPid: true\n`;
  t.same(placesOf(text), [
    '7:12: spec.containers[0].image: expected a string, found a list',
    '8:5: unknown field "spec.containers[0].comand"',
    '9:12: spec.containers[0].stdin: expected a boolean, found the string "true"',
    '10:3: unknown field "spec.hostPid"',
  ]);
  t.end();
});

t.test('suggestions: a misspelt name, a name of another level', t => {
  t.equal(hintOf('comand: [sh]'), 'did you mean "command"?');
  t.equal(hintOf('volumemounts: []'), 'did you mean "volumeMounts"?');
  t.equal(hintOf('runAsUser: 5'), 'did you mean "spec.containers[0].securityContext.runAsUser"?');
  t.equal(hintOf('hostPID: true'), 'did you mean "spec.hostPID"?');
  t.equal(hintOf('labels: {}'), 'did you mean "metadata.labels"?');
  t.equal(hintOf('xyzzy: 1'), undefined);
  t.end();
});

t.test('suggestions: a name that is several levels down', t => {
  const hint = mistakesOf(`${HEAD}  capabilities: {}\n`)[0]?.hint;
  t.equal(hint, 'did you mean "spec.containers[0].securityContext.capabilities"?');
  t.end();
});

t.test('values of each type', t => {
  const wrong: readonly (readonly [line: string, message: string])[] = [
    [
      'env: [{name: A, value: yes}]',
      '8:28: spec.containers[0].env[0].value: expected a string, found the boolean true',
    ],
    [
      'env: [{name: A, value: 1.10}]',
      '8:28: spec.containers[0].env[0].value: expected a string, found the number 1.1',
    ],
    ['args: ["08080", 1]', '8:21: spec.containers[0].args[1]: expected a string, found the number 1'],
    ['args: sh', '8:11: spec.containers[0].args: expected a list, found the string "sh"'],
    ['ports: {}', '8:12: spec.containers[0].ports: expected a list, found an object'],
    ['resources: 5', '8:16: spec.containers[0].resources: expected an object, found the number 5'],
    ['tty: 1', '8:10: spec.containers[0].tty: expected a boolean, found the number 1'],
    [
      'ports: [{containerPort: 3000000000}]',
      '8:29: spec.containers[0].ports[0].containerPort: expected a 32-bit integer, found the number 3000000000',
    ],
    [
      'ports: [{containerPort: 80.5}]',
      '8:29: spec.containers[0].ports[0].containerPort: expected a 32-bit integer, found the number 80.5',
    ],
    [
      'ports: [{containerPort: http}]',
      '8:29: spec.containers[0].ports[0].containerPort: expected a 32-bit integer, found the string "http"',
    ],
  ];
  for (const [line, message] of wrong) t.same(placesOf(`${HEAD}    ${line}\n`), [message], line);
  t.match(hintOf('env: [{name: A, value: yes}]'), 'quote it: "yes"');
  t.match(hintOf('tty: "true"'), 'without quotes');
  t.match(placesOf(`${HEAD}    resources: {limits: {memory: 64MB}}\n`)[0], 'expected a quantity such as');
  t.match(
    placesOf(`${HEAD}    livenessProbe: {tcpSocket: {port: [80]}}\n`)[0],
    'expected an integer or a string',
  );
  t.match(
    placesOf(`${HEAD}  securityContext: {runAsUser: 1.5}\n`)[0],
    'expected an integer, found the number 1.5',
  );
  t.match(
    placesOf('apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: "?"}\n')[0],
    'expected base64',
  );
  t.end();
});

t.test('a Secret must be padded base64, as Go has it', t => {
  for (const data of ['YQ=', 'YQ', 'Y Q==', 'YQ===', '=', 'a-_b'])
    t.match(
      placesOf(`apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: "${data}"}\n`)[0],
      'base64',
      data,
    );
  const text =
    'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: |\n    YWFh\n    YQ==\n  b: ""\n';
  t.same(load(text).secrets[0]?.data, { a: 'YWFh\nYQ==\n', b: '' });
  t.end();
});

t.test('what YAML 1.1 and Kubernetes read as numbers and text', t => {
  const lines = 'securityContext: {runAsUser: 0644, runAsGroup: 0x1F, runAsNonRoot: on}';
  t.match(load(`${HEAD}    ${lines}\n`).pods[0]?.pod.spec?.containers[0], {
    securityContext: { runAsUser: 420, runAsGroup: 31, runAsNonRoot: true },
  });
  const text =
    'env: [{name: A, value: 12:30:45}, {name: B, value: 2001-12-14}, {name: C, value: ~}, {name: D}]';
  t.same(load(`${HEAD}    ${text}\n`).pods[0]?.pod.spec?.containers[0]?.env, [
    { name: 'A', value: '12:30:45' },
    { name: 'B', value: '2001-12-14' },
    { name: 'C' },
    { name: 'D' },
  ]);
  t.end();
});

t.test('octal numbers of YAML 1.2, which Go takes too', t => {
  const { pods } = load(`${HEAD}  volumes: [{name: v, configMap: {name: m, defaultMode: 0o644}}]\n`);
  t.equal(pods[0]?.pod.spec?.volumes?.[0]?.configMap?.defaultMode, 420);
  t.end();
});

t.test('quantities and ports can be numbers or strings', t => {
  const lines =
    'resources: {requests: {cpu: 0.5, memory: 64Mi}}\n    livenessProbe: {tcpSocket: {port: web}}';
  t.match(load(`${HEAD}    ${lines}\n`).pods[0]?.pod.spec?.containers[0], {
    resources: { requests: { cpu: 0.5, memory: '64Mi' } },
    livenessProbe: { tcpSocket: { port: 'web' } },
  });
  t.end();
});

t.test('labels may be called anything', t => {
  const { pods } = load(HEAD.replace('{name: p}', '{name: p, labels: {__proto__: a, constructor: b, 1: c}}'));
  const labels = pods[0]?.pod.metadata?.labels ?? {};
  t.same(Object.entries(labels).sort(), [
    ['1', 'c'],
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  t.equal(Object.getPrototypeOf(labels), Object.prototype);
  t.end();
});

t.test('null is "not set", wherever it stands', t => {
  const { pods } = load(`${HEAD}    command:\n    securityContext: null\n  hostNetwork: ~\n`);
  t.same(pods[0]?.pod.spec, { containers: [{ name: 'c', image: 'i' }] });
  t.end();
});

t.test('validate: warn and ignore drop unknown fields, never wrong types', t => {
  const text = `${HEAD}    comand: [sh]\n`;
  t.same(load(text, 'warn').warnings, ['pod.yaml:8:5: unknown field "spec.containers[0].comand"']);
  t.same(load(text, 'ignore').warnings, []);
  t.notOk('comand' in (load(text, 'ignore').pods[0]?.pod.spec?.containers[0] ?? {}));
  t.throws(() => load(`${HEAD}    tty: 5\n`, 'ignore'), { name: 'ManifestError' });
  t.end();
});

t.test('a mistake is shown with its line and a caret', t => {
  const text = `${HEAD}    runAsUser: 5\n`;
  const [mistake] = mistakesOf(text);
  t.ok(mistake);
  if (mistake !== undefined)
    t.equal(
      formatSourceError(mistake, text),
      [
        'pod.yaml:8:5: unknown field "spec.containers[0].runAsUser"',
        '      runAsUser: 5',
        '      ^',
        '  hint: did you mean "spec.containers[0].securityContext.runAsUser"?',
      ].join('\n'),
    );
  const long = `a: ${'x'.repeat(5000)}`;
  const shown = formatSourceError({ file: 'f', line: 1, column: 4000, message: 'm' }, long);
  t.ok(shown.length < 300, 'a long line is cut');
  t.match(formatSourceError({ file: 'f', line: 99, column: 1, message: 'm' }, 'a'), 'f:99:1: m');
  t.end();
});
