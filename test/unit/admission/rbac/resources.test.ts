import t from 'tap';
import { noResourceType, RESOURCES, resourceFor } from '../../../../src/admission/rbac/resources.ts';
import { KINDS } from '../../../../src/kube/schema.generated.ts';

t.test('every kind that podspace decodes is a resource', t => {
  for (const id of Object.keys(KINDS)) {
    const isIt = RESOURCES.some(({ group, version, kind }) =>
      [`${group}/${version}/${kind}`, `${version}/${kind}`].includes(id),
    );
    t.ok(isIt, id);
  }
  t.end();
});

t.test('no name of a group means two things', t => {
  const names = RESOURCES.flatMap(({ group, resource, kind, shortNames }) =>
    [...new Set([resource, kind.toLowerCase(), ...shortNames])].map(name => `${name}.${group}`),
  );
  t.equal(new Set(names).size, names.length);
  t.end();
});

t.test('no short name is another resource’s name, which would be meant first', t => {
  const full = new Set(RESOURCES.flatMap(({ resource, kind }) => [resource, kind.toLowerCase()]));
  t.same(
    RESOURCES.flatMap(({ shortNames }) => shortNames).filter(name => full.has(name)),
    [],
  );
  t.end();
});

t.test('names of a resource', t => {
  for (const [resource, group, found] of [
    ['pods', '', 'pods.'],
    ['pod', '', 'pods.'],
    ['po', '', 'pods.'],
    ['Pods', '', 'pods.'],
    ['PO', '', undefined],
    ['psp', '', 'podsecuritypolicies.policy'],
    ['psp', 'policy', 'podsecuritypolicies.policy'],
    ['psp', 'extensions', 'podsecuritypolicies.extensions'],
    ['psp', 'ext', 'podsecuritypolicies.extensions'],
    ['psp', 'apps', undefined],
    ['deployments', 'apps', 'deployments.apps'],
    ['deployment', 'app', 'deployments.apps'],
    ['deployments', 'extensions', undefined],
    ['roles', 'rbac', 'roles.rbac.authorization.k8s.io'],
    ['storageclass', 'storage', 'storageclasses.storage.k8s.io'],
    ['endpoints', '', 'endpoints.'],
    ['nosuch', '', undefined],
    ['', '', undefined],
  ] as const) {
    const type = resourceFor({ resource, group });
    t.equal(type && `${type.resource}.${type.group}`, found, `${resource}.${group}`);
  }
  for (const [version, found] of [
    ['v1beta1', 'podsecuritypolicies'],
    ['v1', undefined],
  ] as const)
    t.equal(resourceFor({ resource: 'psp', group: 'policy', version })?.resource, found, version);
  t.equal(resourceFor({ resource: 'psp', group: 'pol', version: 'v1beta1' }), undefined);
  t.end();
});

t.test('a resource that there is not', t => {
  t.equal(noResourceType({ resource: 'x' }), 'the server doesn\'t have a resource type "x"');
  t.equal(
    noResourceType({ resource: 'x', group: 'y' }),
    'the server doesn\'t have a resource type "x" in group "y"',
  );
  t.end();
});
