import t from 'tap';
import { expandSubPaths } from '../../../src/kube/sub-path.ts';

const expanded = (subPathExpr: string, env: readonly (readonly [string, string])[] = []) => {
  const container = { name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v', subPathExpr }] };
  const result = expandSubPaths(container, env);
  return 'error' in result ? result.error : result.volumeMounts?.[0]?.subPath;
};

t.test('variables of the container in a path', t => {
  const env = [
    ['POD', 'web-1'],
    ['EMPTY', ''],
    ['UP', '..'],
    ['ROOT', '/etc'],
    ['NESTED', '$(POD)'],
  ] as const;
  t.equal(expanded('logs/$(POD)', env), 'logs/web-1');
  t.equal(expanded('$$(POD)/$(NESTED)', env), '$(POD)/$(POD)', 'once, and a "$$" is a "$"');
  t.equal(expanded('plain', env), 'plain');
  t.equal(expanded('$(NONE)/$(EMPTY)', env), 'missing value for EMPTY, NONE');
  t.equal(expanded('$(ROOT)', env), 'error SubPath `/etc` must not be an absolute path');
  t.equal(expanded('a/$(UP)/b', env), "unable to provision SubPath `a/../b`: must not contain '..'");
  const untouched = { name: 'c', volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a' }] };
  t.equal(expandSubPaths(untouched, env), untouched);
  t.end();
});
