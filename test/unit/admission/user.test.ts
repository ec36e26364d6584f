import t from 'tap';
import { impersonate, ROOT_USER, serviceAccountUser } from '../../../src/admission/user.ts';

const AUTHENTICATED = 'system:authenticated';
const DEV = ['system:serviceaccounts', 'system:serviceaccounts:dev'];

t.test('without --as it is root', t => {
  for (const as of [undefined, '']) t.equal(impersonate(as, []), ROOT_USER);
  t.ok(ROOT_USER.groups.includes('system:masters'));
  t.end();
});

t.test('--as and --as-group', t => {
  for (const [as, asGroups, groups] of [
    ['bob', [], [AUTHENTICATED]],
    ['bob', ['dev'], ['dev', AUTHENTICATED]],
    ['bob', ['dev', AUTHENTICATED], ['dev', AUTHENTICATED]],
    ['bob', [AUTHENTICATED, 'dev'], [AUTHENTICATED, 'dev']],
    ['bob', ['system:unauthenticated'], ['system:unauthenticated']],
    ['bob', ['system:unauthenticated', 'dev'], ['system:unauthenticated', 'dev']],
    ['bob', ['system:masters'], ['system:masters', AUTHENTICATED]],
    ['system:anonymous', [], ['system:unauthenticated']],
    ['system:anonymous', ['dev'], ['dev', 'system:unauthenticated']],
    ['system:anonymous', ['system:unauthenticated'], ['system:unauthenticated']],
    ['system:serviceaccount:dev:web', [], [...DEV, AUTHENTICATED]],
    ['system:serviceaccount:dev:web.v1', [], [...DEV, AUTHENTICATED]],
    // Groups that are given are the only ones.
    ['system:serviceaccount:dev:web', ['x'], ['x', AUTHENTICATED]],
    // No service accounts, whatever their names begin with.
    ['system:serviceaccount:dev', [], [AUTHENTICATED]],
    ['system:serviceaccount:dev:', [], [AUTHENTICATED]],
    ['system:serviceaccount::web', [], [AUTHENTICATED]],
    ['system:serviceaccount:dev:web:x', [], [AUTHENTICATED]],
    ['system:serviceaccount:Dev:web', [], [AUTHENTICATED]],
    ['system:serviceaccount:a.b:web', [], [AUTHENTICATED]],
    ['system:serviceaccount:dev:web_1', [], [AUTHENTICATED]],
    ['system:serviceaccounts:dev:web', [], [AUTHENTICATED]],
    ['system:node:one', [], [AUTHENTICATED]],
  ] as const)
    t.same(impersonate(as, asGroups), { name: as, groups }, `${as} [${asGroups.join()}]`);
  t.end();
});

t.test('a group alone is nobody', t => {
  for (const as of [undefined, ''])
    t.same(impersonate(as, ['dev']), {
      error: 'requesting uid, groups or user-extra for kubernetes-admin without impersonating a user',
    });
  t.end();
});

t.test('a service account is whom --as would make of its user name', t => {
  t.same(serviceAccountUser('dev', 'web'), impersonate('system:serviceaccount:dev:web', []));
  t.end();
});
