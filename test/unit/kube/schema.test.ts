import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { DEFINITIONS, KINDS } from '../../../src/kube/schema.generated.ts';
import { fieldsOf } from '../../../src/kube/suggest.ts';

/** The validators that kubernetes-models generates from the API's OpenAPI schemas: they know the width of integers. */
const SCHEMAS = 'node_modules/kubernetes-models/_schemas';
const GROUPS = ['CoreV1', 'AppsV1', 'BatchV1', 'NetworkingV1', 'RbacV1', 'PolicyV1beta1'];

function validatorOf(definition: string): string | undefined {
  const names = GROUPS.map(group => `IoK8sApi${group}${definition}.js`);
  const file = readdirSync(SCHEMAS).find(name => names.includes(name));
  return file === undefined ? undefined : readFileSync(`${SCHEMAS}/${file}`, 'utf8');
}

/** int32 or int64 of each integer field in a validator's text. */
function formatsOf(text: string): ReadonlyMap<string, string> {
  const functions = new Map(
    [...text.matchAll(/function (validate\d+)\(([\s\S]*?)return \1\.errors/g)].map(
      ([, name = '', body = '']) => [name, body],
    ),
  );
  const formats = new Map<string, string>();
  for (const [, field = '', name = ''] of text.matchAll(
    /void 0!==data\.(\w+)&&\((validate\d+)\(data\.\1,/g,
  )) {
    const format = /params:\{format:"(int32|int64)"\}/.exec(functions.get(name) ?? '')?.[1];
    if (format !== undefined && !/Array\.isArray/.test(functions.get(name) ?? '')) formats.set(field, format);
  }
  return formats;
}

t.test('integers are as wide as the API says', t => {
  let count = 0;
  for (const definition of Object.keys(DEFINITIONS)) {
    const text = validatorOf(definition);
    if (text === undefined) continue;
    for (const [field, format] of formatsOf(text)) {
      const type = fieldsOf(definition).get(field)?.type;
      count++;
      t.equal(type, format === 'int32' ? 'i' : 'l', `${definition}.${field}`);
    }
  }
  t.ok(count > 80, `${count} fields were compared`);
  t.end();
});

t.test('every type is known, every object has a definition', t => {
  for (const [name, text] of Object.entries(DEFINITIONS)) {
    for (const [field, { type }] of fieldsOf(name)) {
      const inner = type.replace(/^[[{]/, '').replace(/[\]}]$/, '');
      t.ok(
        /^[sbilqxtya]$/.test(inner) || DEFINITIONS[inner.slice(1)] !== undefined,
        `${name}.${field}: ${type}`,
      );
    }
    const names = text.split(' ').map(word => word.replace(/!?:.*/, ''));
    t.equal(new Set(names).size, names.length, `${name} has each field once`);
  }
  for (const definition of Object.values(KINDS)) t.ok(DEFINITIONS[definition], definition);
  t.end();
});

t.test('claims in a StatefulSet are claims', t => {
  t.equal(fieldsOf('StatefulSetSpec').get('volumeClaimTemplates')?.type, '[@PersistentVolumeClaim]');
  t.notOk(fieldsOf('StatefulSetSpec').has('kind'));
  t.end();
});

/** Fields that came with Kubernetes 1.30 to 1.36. */
const NEW = {
  PodSpec: ['hostUsers', 'hostnameOverride', 'resources', 'resourceClaims', 'schedulingGates'],
  PodSecurityContext: ['supplementalGroupsPolicy', 'seLinuxChangePolicy', 'appArmorProfile'],
  Container: ['restartPolicy', 'restartPolicyRules', 'resizePolicy'],
  VolumeMount: ['recursiveReadOnly'],
  Volume: ['image', 'ephemeral'],
  VolumeProjection: ['podCertificate', 'clusterTrustBundle'],
  EnvVarSource: ['fileKeyRef'],
  Lifecycle: ['stopSignal'],
  LifecycleHandler: ['sleep'],
};

t.test('the newest fields are known', t => {
  for (const [definition, fields] of Object.entries(NEW))
    for (const field of fields) t.ok(fieldsOf(definition).has(field), `${definition}.${field}`);
  t.end();
});
