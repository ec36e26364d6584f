import { createHash } from 'node:crypto';
import type { ResourceType } from '../../admission/rbac/resources.ts';
import { KINDS } from '../../kube/schema.generated.ts';
import { fieldsOf } from '../../kube/suggest.ts';
import { SERVED } from '../resources.ts';
import { GROUP_VERSIONS } from './discovery.ts';
import { PATCH_TYPES } from './patch/apply-patch.ts';
import { listStrategy } from './patch/merge-keys.ts';
import { UNSERVED } from './unserved.ts';

/** What OpenAPI calls the schema table's scalars. */
const SCALARS: Readonly<Record<string, object>> = {
  s: { type: 'string' },
  b: { type: 'boolean' },
  i: { type: 'integer', format: 'int32' },
  l: { type: 'integer', format: 'int64' },
  q: { oneOf: [{ type: 'string' }, { type: 'number' }] },
  x: { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' },
  t: { type: 'string', format: 'date-time' },
  y: { type: 'string', format: 'byte' },
  a: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
};

const refOf = (definition: string): object => ({ $ref: `#/components/schemas/${definition}` });

function schemaOfType(type: string, used: Set<string>): object {
  const [first] = type;
  if (first === '@') {
    used.add(type.slice(1));
    return { allOf: [refOf(type.slice(1))], default: {} };
  }
  if (first === '[') return { type: 'array', items: schemaOfType(type.slice(1, -1), used) };
  if (first === '{') return { type: 'object', additionalProperties: schemaOfType(type.slice(1, -1), used) };
  return SCALARS[type] ?? {};
}

function schemaOf(definition: string, used: Set<string>): object {
  const fields = [...fieldsOf(definition)];
  const properties = fields.map(([name, { type }]) => {
    const strategy = listStrategy(definition, name);
    const { mergeKey, retainKeys } = strategy ?? {};
    const hints =
      strategy === undefined
        ? {}
        : {
            'x-kubernetes-patch-strategy': retainKeys === true ? 'merge,retainKeys' : 'merge',
            ...(mergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': mergeKey }),
          };
    return [name, { ...schemaOfType(type, used), ...hints }] as const;
  });
  const required = fields.filter(([, field]) => field.required).map(([name]) => name);
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length === 0 ? {} : { required }),
  };
}

type DocumentedType = Pick<ResourceType, 'group' | 'version' | 'kind' | 'resource' | 'namespaced'>;

/** Types that clients write; kubectl also asks about those that it is then refused. */
const documented = (group: string, version: string): readonly DocumentedType[] =>
  [...SERVED.filter(({ verbs }) => verbs.includes('patch')), ...UNSERVED].filter(
    each => each.group === group && each.version === version,
  );

const idOf = ({ group, version, kind }: DocumentedType): string =>
  `${group === '' ? version : `${group}/${version}`}/${kind}`;

const PARAMETERS = ['dryRun', 'fieldManager', 'fieldValidation'].map(name => ({
  name,
  in: 'query',
  schema: { type: 'string', uniqueItems: true },
}));

function pathsOf(type: DocumentedType): Record<string, object> {
  const { group, version, kind, resource, namespaced } = type;
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = `${root}${namespaced ? '/namespaces/{namespace}' : ''}/${resource}`;
  const gvk = { 'x-kubernetes-group-version-kind': { group, version, kind } };
  const content = (types: readonly string[]): object =>
    Object.fromEntries(types.map(each => [each, { schema: refOf(kind) }]));
  const responses = { 200: { description: 'OK', content: content(['application/json']) } };
  const operation = (action: string, types: readonly string[]): object => ({
    parameters: PARAMETERS,
    requestBody: { content: content(types) },
    responses,
    'x-kubernetes-action': action,
    ...gvk,
  });
  const read = { responses, 'x-kubernetes-action': 'get', ...gvk };
  return {
    [collection]: { post: operation('post', ['application/json', 'application/yaml']) },
    [`${collection}/{name}`]: {
      get: read,
      put: operation('put', ['application/json', 'application/yaml']),
      patch: operation('patch', PATCH_TYPES),
    },
  };
}

const made = new Map<string, object>();

/** The document of a group and version: as much as kubectl needs to apply, patch and explain. Undefined if there is none. */
export function openApiV3(group: string, version: string): object | undefined {
  const key = `${group}/${version}`;
  if (!GROUP_VERSIONS.some(each => each.group === group && each.version === version)) return undefined;
  const known = made.get(key);
  if (known !== undefined) return known;
  const types = documented(group, version);
  const schemas: Record<string, object> = {};
  const used = new Set(types.flatMap(type => KINDS[idOf(type)] ?? []));
  for (const definition of used) schemas[definition] = schemaOf(definition, used);
  for (const type of types) {
    const definition = KINDS[idOf(type)] ?? type.kind;
    const { group: _, version: __, kind } = type;
    schemas[definition] = {
      ...schemas[definition],
      'x-kubernetes-group-version-kind': [{ group, version, kind }],
    };
  }
  const document = {
    openapi: '3.0.0',
    info: { title: 'podspace', version: 'v1' },
    paths: Object.assign({}, ...types.map(pathsOf)) as object,
    components: { schemas },
  };
  made.set(key, document);
  return document;
}

/** `/openapi/v3`: where each document is. */
export function openApiV3Index(): object {
  const entries = GROUP_VERSIONS.map(({ group, version }) => {
    const path = group === '' ? `api/${version}` : `apis/${group}/${version}`;
    const hash = createHash('sha256')
      .update(JSON.stringify(openApiV3(group, version)))
      .digest('hex');
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash.slice(0, 32)}` }];
  });
  return { paths: Object.fromEntries(entries) as object };
}
