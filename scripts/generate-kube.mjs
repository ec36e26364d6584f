// Writes src/kube/schema.generated.ts (the decoder's table) and src/kube/types.generated.ts (the same as TypeScript) from the
// declarations of the dev dependency kubernetes-models, which follow the API's published OpenAPI schemas.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const MODELS = 'node_modules/kubernetes-models';

/** Each kind podspace reads: its apiVersion, and the file that declares it. */
const KINDS = {
  'v1/Pod': 'v1/Pod',
  'v1/ConfigMap': 'v1/ConfigMap',
  'v1/Secret': 'v1/Secret',
  'v1/Namespace': 'v1/Namespace',
  'v1/ServiceAccount': 'v1/ServiceAccount',
  'v1/Service': 'v1/Service',
  'v1/PersistentVolumeClaim': 'v1/PersistentVolumeClaim',
  'v1/ReplicationController': 'v1/ReplicationController',
  'v1/PodTemplate': 'v1/PodTemplate',
  'apps/v1/Deployment': 'apps/v1/Deployment',
  'apps/v1/StatefulSet': 'apps/v1/StatefulSet',
  'apps/v1/DaemonSet': 'apps/v1/DaemonSet',
  'apps/v1/ReplicaSet': 'apps/v1/ReplicaSet',
  'batch/v1/Job': 'batch/v1/Job',
  'batch/v1/CronJob': 'batch/v1/CronJob',
  'networking.k8s.io/v1/NetworkPolicy': 'networking.k8s.io/v1/NetworkPolicy',
  'rbac.authorization.k8s.io/v1/Role': 'rbac.authorization.k8s.io/v1/Role',
  'rbac.authorization.k8s.io/v1/ClusterRole': 'rbac.authorization.k8s.io/v1/ClusterRole',
  'rbac.authorization.k8s.io/v1/RoleBinding': 'rbac.authorization.k8s.io/v1/RoleBinding',
  'rbac.authorization.k8s.io/v1/ClusterRoleBinding': 'rbac.authorization.k8s.io/v1/ClusterRoleBinding',
  'policy/v1beta1/PodSecurityPolicy': 'policy/v1beta1/PodSecurityPolicy',
  'extensions/v1beta1/PodSecurityPolicy': 'extensions/v1beta1/PodSecurityPolicy',
};

/** Scalars of the API machinery that are no objects to the decoder. */
const SCALARS = {
  Quantity: 'q',
  IntOrString: 'x',
  Time: 't',
  MicroTime: 't',
  FieldsV1: 'a',
  RawExtension: 'a',
  JSONSchemaProps: 'a',
};
/** OpenAPI says int64 here; everywhere else int32. */
const INT64 =
  /^(runAsUser|runAsGroup|fsGroup|supplementalGroups|terminationGracePeriodSeconds|activeDeadlineSeconds|deletionGracePeriodSeconds|generation|observedGeneration|tolerationSeconds|expirationSeconds|seconds|startingDeadlineSeconds|uid|gid)$/;
/** The ranges of ids are int64, those of ports int32. */
const INT64_OWNER = 'IDRange';
const BYTES = { Secret: ['data'], ConfigMap: ['binaryData'] };

const definitions = new Map();

function declarationOf(file) {
  const path = [`${file}.d.ts`, `${file.replace(/\.js$/, '')}.d.ts`].find(existsSync);
  if (path === undefined) throw new Error(`no declaration ${file}`);
  return path;
}

function load(file) {
  const path = declarationOf(file);
  const text = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const interfaceMatch = /export interface I(\w+)(?: extends [\w<>, ]+)? \{\n([\s\S]*?)\n\}/.exec(text);
  if (interfaceMatch === null) return undefined;
  const [, name, body] = interfaceMatch;
  if (definitions.has(name)) return name;
  definitions.set(name, []);
  const imports = new Map([...text.matchAll(/import \{ (\w+) \} from "([^"]+)"/g)].map(m => [m[1], m[2]]));
  const fields = [];
  // The one object that is written out in place is a PersistentVolumeClaim.
  const named = body.replace(/Array<\{\s*"apiVersion"[^}]*\}>/g, 'Array<InlineClaim>');
  const members = named.replace(/\{\s*\[key: string\]: ([^;]+);\s*\}/g, 'Map<$1>');
  for (const [, field, optional, type] of members.matchAll(/"(\S+?)"(\?)?: ([^;]+);/g)) {
    fields.push({
      field,
      required: optional === undefined && field !== 'apiVersion' && field !== 'kind',
      type: typeOf(type.trim(), name, field, imports, path),
    });
  }
  definitions.set(name, fields);
  return name;
}

function typeOf(type, owner, field, imports, path) {
  if (BYTES[owner]?.includes(field)) return '{y}';
  const array = /^Array<(.*)>$/.exec(type);
  if (array !== null) return `[${typeOf(array[1].trim(), owner, field, imports, path)}]`;
  const map = /^Map<(.*)>$/.exec(type);
  if (map !== null) return `{${typeOf(map[1].trim(), owner, field, imports, path)}}`;
  if (type === 'string' || /^"/.test(type)) return 's';
  if (type === 'boolean') return 'b';
  if (type === 'number') return INT64.test(field) || owner === INT64_OWNER ? 'l' : 'i';
  const scalar = Object.entries(SCALARS).find(([name]) => new RegExp(`(^|[a-z0-9])${name}$`).test(type));
  if (scalar !== undefined) return scalar[1];
  if (type === 'InlineClaim') return '@PersistentVolumeClaim';
  const from = imports.get(type);
  if (from === undefined) return 'a';
  const file = from.startsWith('.')
    ? resolve(dirname(path), from.replace(/\.js$/, ''))
    : join('node_modules', from);
  return `@${load(file)}`;
}

const TYPESCRIPT = {
  s: 'string',
  b: 'boolean',
  i: 'number',
  l: 'number',
  q: 'string | number',
  x: 'string | number',
  t: 'string',
  a: 'unknown',
  y: 'string',
};

function typescript(type) {
  if (type.startsWith('[')) return `readonly ${parenthesise(typescript(type.slice(1, -1)))}[]`;
  if (type.startsWith('{')) return `Readonly<Record<string, ${typescript(type.slice(1, -1))}>>`;
  return type.startsWith('@') ? type.slice(1) : TYPESCRIPT[type];
}
const parenthesise = text => (text.includes(' ') ? `(${text})` : text);

const kinds = Object.entries(KINDS).map(([id, file]) => [id, load(join(MODELS, file))]);
const names = [...definitions.keys()].sort();
const header =
  '// Generated by scripts/generate-kube.mjs from the Kubernetes API schemas. Do not edit this file.\n';

/** Definitions that a Pod, ConfigMap or Secret needs come first and alone: the others are loaded when a file asks for them. */
const table = names
  .map(
    name =>
      `  ${name}: '${definitions
        .get(name)
        .map(f => `${f.field}${f.required ? '!' : ''}:${f.type}`)
        .join(' ')}',`,
  )
  .join('\n');
const files = {
  'src/kube/schema.generated.ts': `${header}
/**
 * The fields of each object: \`name:type\`, with \`!\` where the API requires it. Types: s string, b bool, i int32, l int64,
 * q quantity, x int-or-string, t time, y base64, a anything, [T] list, {T} map, @Name object.
 */
export const DEFINITIONS: Readonly<Record<string, string>> = {
${table}
};

/** apiVersion/kind → definition. */
export const KINDS: Readonly<Record<string, string>> = {
${kinds.map(([id, name]) => `  '${id}': '${name}',`).join('\n')}
};
`,
  'src/kube/types.generated.ts': `${header}
${names
  .map(
    name =>
      `export interface ${name} {\n${definitions
        .get(name)
        .map(
          f =>
            `  readonly ${/^[A-Za-z_]\w*$/.test(f.field) ? f.field : JSON.stringify(f.field)}${f.required ? '' : '?'}: ${typescript(f.type)};`,
        )
        .join('\n')}\n}\n`,
  )
  .join('\n')}`,
};

for (const [path, text] of Object.entries(files)) {
  if (!process.argv.includes('--check')) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`${path} is stale: run "npm run generate"`);
    process.exitCode = 1;
  }
}
