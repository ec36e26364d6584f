import t from 'tap';
import { type Attributes, ruleAllows } from '../../../../src/admission/rbac/match.ts';
import type { PolicyRule } from '../../../../src/kube/types.generated.ts';

const PODS: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const GET_POD = { verb: 'get', apiGroup: '', resource: 'pods', name: 'web', namespace: 'dev' };
const GET_LOG = { ...GET_POD, subresource: 'log' };

type Row = readonly [rule: Partial<PolicyRule>, attributes: Attributes, allowed: boolean];

const check = (rows: readonly Row[]): void => {
  for (const [rule, attributes, allowed] of rows)
    t.equal(
      ruleAllows({ ...PODS, ...rule }, attributes),
      allowed,
      `${JSON.stringify(rule)} for ${JSON.stringify(attributes)}`,
    );
};

check([
  [{}, GET_POD, true],

  // verbs
  [{}, { ...GET_POD, verb: 'list' }, false],
  [{ verbs: ['list', 'get'] }, GET_POD, true],
  [{ verbs: ['*'] }, GET_POD, true],
  [{ verbs: ['GET'] }, GET_POD, false],
  [{ verbs: [] }, GET_POD, false],
  [{ verbs: ['g*'] }, GET_POD, false],
  // A question for all verbs is answered by the wildcard only.
  [{ verbs: ['get', 'list'] }, { ...GET_POD, verb: '*' }, false],
  [{ verbs: ['*'] }, { ...GET_POD, verb: '*' }, true],

  // apiGroups
  [{ apiGroups: ['apps'] }, GET_POD, false],
  [{ apiGroups: ['apps', ''] }, GET_POD, true],
  [{ apiGroups: ['*'] }, GET_POD, true],
  [{ apiGroups: [] }, GET_POD, false],
  [{ apiGroups: undefined }, GET_POD, false],
  [{ apiGroups: [''] }, { ...GET_POD, apiGroup: 'apps' }, false],

  // resources and subresources
  [{ resources: ['secrets'] }, GET_POD, false],
  [{ resources: ['pod'] }, GET_POD, false],
  [{ resources: ['secrets', 'pods'] }, GET_POD, true],
  [{ resources: ['*'] }, GET_POD, true],
  [{ resources: [] }, GET_POD, false],
  [{ resources: undefined }, GET_POD, false],
  [{ resources: ['pods'] }, GET_LOG, false],
  [{ resources: ['pods/log'] }, GET_LOG, true],
  [{ resources: ['pods/log'] }, GET_POD, false],
  [{ resources: ['pods/exec'] }, GET_LOG, false],
  [{ resources: ['*'] }, GET_LOG, true],
  [{ resources: ['*/log'] }, GET_LOG, true],
  [{ resources: ['*/log'] }, GET_POD, false],
  [{ resources: ['*/exec'] }, GET_LOG, false],
  [{ resources: ['*/'] }, GET_POD, false],
  [{ resources: ['pods/*'] }, GET_LOG, false],
  [{ resources: ['*/*'] }, GET_LOG, false],
  [{ resources: ['po*'] }, GET_POD, false],
  [{ resources: ['*/a/b'] }, { ...GET_POD, subresource: 'a/b' }, true],
  [{ resources: ['pods'] }, { ...GET_POD, subresource: '' }, true],

  // resourceNames
  [{ resourceNames: ['web'] }, GET_POD, true],
  [{ resourceNames: ['db', 'web'] }, GET_POD, true],
  [{ resourceNames: ['db'] }, GET_POD, false],
  [{ resourceNames: [] }, GET_POD, true],
  [{ resourceNames: ['*'] }, GET_POD, false],
  [{ resourceNames: ['web'] }, { ...GET_POD, name: undefined }, false],
  [{ resourceNames: ['web'] }, { ...GET_POD, name: '' }, false],
  [{ resources: ['pods/log'], resourceNames: ['web'] }, GET_LOG, true],

  // A rule about URLs says nothing of resources, and the other way round.
  [{ apiGroups: [], resources: [], nonResourceURLs: ['*'] }, GET_POD, false],
  [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verb: 'get', path: '/healthz' }, false],
]);

const url = (...nonResourceURLs: readonly string[]): Partial<PolicyRule> => ({ nonResourceURLs });
const get = (path: string): Attributes => ({ verb: 'get', path });

check([
  [url('/healthz'), get('/healthz'), true],
  [url('/healthz'), get('/healthz/'), false],
  [url('/healthz'), { verb: 'post', path: '/healthz' }, false],
  [{ verbs: ['*'], nonResourceURLs: ['/healthz'] }, { verb: 'post', path: '/healthz' }, true],
  [url('/apis', '/healthz'), get('/healthz'), true],
  [url('*'), get('/healthz'), true],
  [url('/healthz/*'), get('/healthz/ping'), true],
  [url('/healthz/*'), get('/healthz/ping/x'), true],
  [url('/healthz/*'), get('/healthz/'), true],
  [url('/healthz/*'), get('/healthz'), false],
  [url('/health*'), get('/healthz'), true],
  [url('/health**'), get('/healthz'), true],
  [url('/*/ping'), get('/healthz/ping'), false],
  [url('/*/ping'), get('/*/ping'), true],
  [url(), get('/healthz'), false],
]);
