import t from 'tap';
import type { Built } from '../../../../src/admission/rbac/create.ts';
import {
  createClusterRoleBinding,
  createRoleBinding,
} from '../../../../src/admission/rbac/create-binding.ts';
import { createClusterRole, createRole } from '../../../../src/admission/rbac/create-role.ts';
import { type RbacKind, type RbacObject, setRbacDefaults } from '../../../../src/admission/rbac/objects.ts';
import { validateRbac } from '../../../../src/admission/rbac/validate.ts';
import { type Golden, goldens } from './goldens.ts';

const one = (values: readonly string[] | undefined): string | undefined => values?.at(-1);

/** How the flags of a command line get to each builder. */
const BUILDERS: Readonly<Record<RbacKind, (golden: Golden) => Built<RbacObject>>> = {
  Role: ({ names, flags }) => createRole({ ...flags, names, namespace: one(flags.namespace) }),
  ClusterRole: ({ names, flags }) => createClusterRole({ ...flags, names }),
  RoleBinding: ({ names, flags }) =>
    createRoleBinding({
      ...flags,
      names,
      role: one(flags.role),
      clusterrole: one(flags.clusterrole),
      namespace: one(flags.namespace),
    }),
  ClusterRoleBinding: ({ names, flags }) =>
    createClusterRoleBinding({ ...flags, names, clusterrole: one(flags.clusterrole) }),
};

/** Made, and then refused by the API server, which a dry run does not ask. */
const INVALID = /clusterrole a\/b|--clusterrole= |--user=$/;

for (const [kind, build] of Object.entries(BUILDERS))
  t.test(`create ${kind.toLowerCase()}, as kubectl does`, t => {
    const all = goldens(`create ${kind.toLowerCase()}`);
    t.ok(all.length >= 8, `${all.length} are recorded`);
    for (const golden of all) {
      const built = build(golden);
      const object = 'object' in built ? built.object : undefined;
      const errors = 'error' in built ? [built.error] : [];
      t.same(object, golden.stdout, golden.command);
      t.same([...built.warnings, ...errors], golden.stderr, golden.command);
      if (object === undefined) continue;
      const invalid = validateRbac(setRbacDefaults(object, kind as RbacKind), kind as RbacKind);
      t.equal(invalid.length > 0, INVALID.test(golden.command), `${golden.command} is valid`);
    }
    t.end();
  });

t.test('what kubectl says in other words, or lets the API server say', t => {
  const required = 'required flag(s) "clusterrole" not set';
  t.same(createClusterRoleBinding({ names: ['x'], user: ['bob'] }), { error: required, warnings: [] });
  t.same(createClusterRoleBinding({ names: [] }), { error: required, warnings: [] });
  t.same(createClusterRoleBinding({ names: [''], clusterrole: 'c' }), {
    error: 'name must be specified',
    warnings: [],
  });
  for (const names of [['m'], []])
    t.same(createClusterRole({ names, aggregationRule: ['a=b,c'] }), {
      error: 'invalid argument "c" for "--aggregation-rule" flag: malformed pair, expect string=string',
      warnings: [],
    });
  t.end();
});
