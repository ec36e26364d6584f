import t from 'tap';
import { findAll, renderTemplate } from '../../../../src/agent/print/jsonpath/evaluate.ts';
import { parseRelaxed } from '../../../../src/agent/print/jsonpath/parse.ts';

const LIST = {
  kind: 'List',
  items: [
    {
      kind: 'None',
      metadata: { name: '127.0.0.1', labels: { 'kubernetes.io/hostname': 'one', tier: 'a' } },
      status: { capacity: { cpu: '4' }, addresses: [{ type: 'LegacyHostIP', address: '127.0.0.1' }] },
    },
    {
      kind: 'None',
      metadata: { name: '127.0.0.2' },
      status: { capacity: { cpu: '8' }, ready: true, addresses: [{ type: 'another', address: '127.0.0.3' }] },
    },
  ],
  users: [
    { name: 'myself', user: {} },
    { name: 'e2e', user: { username: 'admin', password: 'secret' } },
  ],
  numbers: [1, 2, 3, 4, 5],
  empty: [],
  nothing: null,
};

/** The examples of Kubernetes' documentation, and what its parser takes beside them. */
const TEMPLATES: Readonly<Record<string, string>> = {
  'kind is {.kind}': 'kind is List',
  '{.kind}': 'List',
  "{['kind']}": 'List',
  '{ .kind }': 'List',
  '{@.kind}': 'List',
  '{$.kind}': 'List',
  '.kind': '.kind',
  '{.items[*].metadata.name}': '127.0.0.1 127.0.0.2',
  '{.items[0].metadata.name}': '127.0.0.1',
  '{.items[-1].metadata.name}': '127.0.0.2',
  "{.items[*]['metadata.name', 'status.capacity']}": '127.0.0.1 127.0.0.2 {"cpu":"4"} {"cpu":"8"}',
  "{.items[*]['metadata','kind']}":
    '{"labels":{"kubernetes.io/hostname":"one","tier":"a"},"name":"127.0.0.1"} {"name":"127.0.0.2"} None None',
  '{.items[*][.metadata.name, .status.capacity.cpu]}': '127.0.0.1 127.0.0.2 4 8',
  '{.users[?(@.name=="e2e")].user.password}': 'secret',
  "{.users[?(@.name != 'e2e')].name}": 'myself',
  '{.users[?(@.user.password)].name}': 'e2e',
  '{.items[?(@.status.ready==true)].metadata.name}': '127.0.0.2',
  '{.items[?(@.status.capacity.cpu=="4")].status.addresses[?(@.type=="LegacyHostIP")].address}': '127.0.0.1',
  '{.numbers[?(@ > 3)]}': '4 5',
  '{.numbers[?(@ <= 2)]}': '1 2',
  '{..metadata.name}': '127.0.0.1 127.0.0.2',
  '{range .items[*]}{.metadata.name}{"\\t"}{.status.capacity}{"\\n"}{end}':
    '127.0.0.1\t{"cpu":"4"}\n127.0.0.2\t{"cpu":"8"}\n',
  '{range .items[*]}[{.metadata.name}, {.status.capacity.cpu}] {end}': '[127.0.0.1, 4] [127.0.0.2, 8] ',
  '{range .users[*]}{range .user.*}<{@}>{end}{end}': '<admin><secret>',
  '{.items[0].metadata.labels.kubernetes\\.io/hostname}': 'one',
  "{.items[0].metadata.labels['kubernetes\\.io/hostname']}": 'one',
  "{.items[0].metadata.labels['kubernetes.io/hostname']}": '',
  '{.items[0].metadata.labels.*}': 'one a',
  '{.numbers[1:3]}': '2 3',
  '{.numbers[:2]}': '1 2',
  '{.numbers[3:]}': '4 5',
  '{.numbers[-2:]}': '4 5',
  '{.numbers[0:5:2]}': '1 3 5',
  '{.numbers[0,2]}': '1 3',
  '{.numbers}': '[1,2,3,4,5]',
  '{.empty[*]}{.empty[0:]}': '',
  '{.nothing}{.nosuch}{.nosuch[0].x}{.kind.x}': '',
  '{"a\\"b"}{\'c\'}{1.5}{true}': 'a"bc1.5true',
  '{.kind "-" .kind}': 'List-List',
  '{"{}"}': '{}',
  '{.constructor}{.__proto__}': '',
  '': '',
};

t.test('templates', t => {
  for (const [template, want] of Object.entries(TEMPLATES))
    t.equal(renderTemplate(template, LIST), want, template);
  t.end();
});

const MISTAKES: Readonly<Record<string, string>> = {
  '{.items[5]}': 'error executing jsonpath "{.items[5]}": array index out of bounds: index 5, length 2',
  '{.items[0:9]}': 'error executing jsonpath "{.items[0:9]}": array index out of bounds: index 8, length 2',
  '{.numbers[3:1]}':
    'error executing jsonpath "{.numbers[3:1]}": starting index 3 is greater than ending index 1',
  '{.kind[0]}': 'error executing jsonpath "{.kind[0]}": string is not array or slice',
  '{.kind': 'error parsing jsonpath "{.kind": unclosed action',
  '{range .items[*]}': 'error parsing jsonpath "{range .items[*]}": unclosed range',
  '{end}': 'error parsing jsonpath "{end}": not in range, nothing to end',
  '{.items[}': 'error parsing jsonpath "{.items[}": unterminated array',
  '{.items[a]}': 'error parsing jsonpath "{.items[a]}": invalid array index a',
  '{hello}': 'error parsing jsonpath "{hello}": unrecognized identifier hello',
  '{"a}': 'error parsing jsonpath "{\\"a}": unclosed action',
  '{#}': 'error parsing jsonpath "{#}": unrecognized character in action: "#"',
};

t.test('mistakes are one line', t => {
  for (const [template, message] of Object.entries(MISTAKES))
    t.throws(() => renderTemplate(template, LIST), { name: 'UserError', message }, template);
  t.end();
});

t.test('paths with and without braces', t => {
  for (const path of ['kind', '.kind', '{kind}', '{.kind}', "{['kind']}", "['kind']"])
    t.same(findAll(parseRelaxed(path), LIST), ['List'], path);
  t.same(findAll(parseRelaxed(''), LIST), [LIST]);
  t.throws(() => parseRelaxed('{.a}{.b}'), { message: /^unexpected path string, expected a 'name1\.name2'/ });
  t.end();
});
