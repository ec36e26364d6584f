import t from 'tap';
import { EMPTY_CONFIG, parseImageConfig } from '../../../src/image/config.ts';

const parse = (value: unknown): ReturnType<typeof parseImageConfig> =>
  parseImageConfig(JSON.stringify(value), 'config.json');

t.test('an image config of each kind', t => {
  const whole = {
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [] },
    history: [{ created_by: 'x' }],
    config: {
      User: '405:100',
      Env: ['PATH=/bin', 'EMPTY=', 'NO_VALUE'],
      Entrypoint: ['/bin/sh', '-c'],
      Cmd: ['true'],
      WorkingDir: '/app',
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
      Labels: { a: 'b' },
      StopSignal: 'SIGINT',
      Healthcheck: { Test: ['NONE'] },
      ArgsEscaped: true,
    },
  };
  const config = {
    User: '405:100',
    Env: ['PATH=/bin', 'EMPTY=', 'NO_VALUE'],
    Entrypoint: ['/bin/sh', '-c'],
    Cmd: ['true'],
    WorkingDir: '/app',
    ExposedPorts: ['80/tcp'],
    Volumes: ['/data'],
    Labels: { a: 'b' },
    StopSignal: 'SIGINT',
  };
  t.same(parse(whole), config, 'the whole document');
  t.same(parse(whole.config), config, 'its "config" alone');
  t.end();
});

t.test('what is not set is empty, as with docker', t => {
  const empty = {
    User: '',
    Env: [],
    Entrypoint: [],
    Cmd: [],
    WorkingDir: '',
    ExposedPorts: [],
    Volumes: [],
    Labels: {},
    StopSignal: '',
  };
  t.same(EMPTY_CONFIG, empty);
  const nulls = Object.fromEntries(Object.keys(empty).map(name => [name, null]));
  for (const value of [{}, { config: {} }, { config: null }, nulls, { config: nulls }, { os: 'linux' }])
    t.same(parse(value), empty, JSON.stringify(value));
  t.end();
});

t.test('what is no config', t => {
  for (const [json, message] of [
    ['', /^config\.json: .*JSON/],
    ['{', /^config\.json: .*JSON/],
    ['{"User": "a",}', /^config\.json: .*JSON/],
    ['null', /^config\.json: expected an object$/],
    ['[]', /^config\.json: expected an object$/],
    ['"text"', /^config\.json: expected an object$/],
    ['5', /^config\.json: expected an object$/],
    ['{"config": []}', /^config\.json: config: expected an object$/],
    ['{"config": "x"}', /^config\.json: config: expected an object$/],
  ] as const)
    t.throws(() => parseImageConfig(json, 'config.json'), { name: 'UserError', message }, json);
  t.end();
});

t.test('each field has its type', t => {
  const wrong: Readonly<Record<string, readonly [expected: string, ...values: unknown[]]>> = {
    User: ['a string', 0, true, ['root'], {}],
    Env: ['a list of strings', 'A=b', { A: 'b' }, ['A=b', 1], [null]],
    Entrypoint: ['a list of strings', '/bin/sh', [['sh']], 0],
    Cmd: ['a list of strings', 'sh -c', [true]],
    WorkingDir: ['a string', ['/'], 1],
    ExposedPorts: ['an object', ['80/tcp'], '80/tcp', 80],
    Volumes: ['an object', ['/data'], '/data'],
    Labels: ['an object of strings', ['a=b'], { a: 1 }, { a: null }],
    StopSignal: ['a string', 15, ['TERM']],
  };
  for (const [field, [expected, ...values]] of Object.entries(wrong)) {
    for (const value of values)
      t.throws(
        () => parse({ config: { [field]: value } }),
        { name: 'UserError', message: `config.json: ${field}: expected ${expected}` },
        `${field}: ${JSON.stringify(value)}`,
      );
  }
  t.end();
});

t.test('no NUL byte: it would end an argument, or a path, early', t => {
  for (const config of [
    { User: 'root\0' },
    { Env: ['A=b', 'PATH=/bin\0/evil'] },
    { Entrypoint: ['/bin/sh\0'] },
    { Cmd: ['a', '\0'] },
    { WorkingDir: '/\0' },
  ])
    t.throws(
      () => parse(config),
      { name: 'UserError', message: /^config\.json: \w+: .*NUL/ },
      JSON.stringify(config),
    );
  t.end();
});

t.test('names that objects have of their own are only names', t => {
  const config = parseImageConfig(
    '{"__proto__": {"User": "evil"}, "Labels": {"__proto__": "a", "constructor": "b"}}',
    'config.json',
  );
  t.equal(config.User, '');
  t.same(Object.entries(config.Labels), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  t.equal(Reflect.get({}, 'User'), undefined);
  t.end();
});
