import { labelValueErrors, qualifiedNameErrors } from '../../kube/qualified-names.ts';
import { badRequest } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';

export type Predicate = (object: ApiObject) => boolean;

type Labels = Readonly<Record<string, string>>;
type LabelTest = (labels: Labels) => boolean;

const valueAt = (labels: Labels, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

/** Operators of a requirement with a set or a value: whether a label's value (undefined: it is not there) fits. */
const TESTS: Readonly<Record<string, (value: string | undefined, values: readonly string[]) => boolean>> = {
  in: (value, values) => value !== undefined && values.includes(value),
  notin: (value, values) => value === undefined || !values.includes(value),
  '=': (value, values) => value === values[0],
  '==': (value, values) => value === values[0],
  '!=': (value, values) => value !== values[0],
  '>': (value, [limit]) => isNumber(value) && BigInt(value) > BigInt(limit ?? 0),
  '<': (value, [limit]) => isNumber(value) && BigInt(value) < BigInt(limit ?? 0),
};

const isNumber = (value: string | undefined): value is string => /^[+-]?\d+$/.test(value ?? '');

const SET = /^\s*(\S+)\s+(in|notin)\s*\(([^)]*)\)\s*$/;
const VALUE = /^\s*([^\s=!<>]+)\s*(==|=|!=|>|<)\s*([^\s=!<>]*)\s*$/;
const PRESENCE = /^\s*(!?)\s*([^\s=!<>()]+)\s*$/;

/** `app=web,tier in (a,b),!x`, as labels.Parse takes it. Throws an ApiError (400). */
export function labelSelector(text: string): Predicate {
  const tests = text.trim() === '' ? [] : splitOutside(text).map(requirement);
  return ({ metadata: { labels = {} } }) => tests.every(test => test(labels));
}

/** At commas that stand in no parentheses. */
function splitOutside(text: string): readonly string[] {
  return text.split(/,(?![^(]*\))/);
}

function requirement(text: string): LabelTest {
  const presence = PRESENCE.exec(text);
  if (presence !== null) {
    const [, not = '', key = ''] = presence;
    requireLabels(text, key, []);
    return labels => (valueAt(labels, key) === undefined) === (not === '!');
  }
  const set = SET.exec(text);
  const [, key = '', operator = '', written = ''] = set ?? VALUE.exec(text) ?? [];
  const values = set === null ? [written] : written.split(',').map(value => value.trim());
  const test = TESTS[operator];
  if (test === undefined)
    throw badRequest(
      `unable to parse requirement: found ${JSON.stringify(text.trim())}, expected: a label selector`,
    );
  if (['>', '<'].includes(operator) && !isNumber(written))
    throw badRequest(
      `values[0][${key}]: Invalid value: ${JSON.stringify(written)}: for 'Gt', 'Lt' operators, the value must be an integer`,
    );
  requireLabels(text, key, values);
  return labels => test(valueAt(labels, key), values);
}

function requireLabels(_text: string, key: string, values: readonly string[]): void {
  const [keyError] = qualifiedNameErrors(key);
  if (keyError !== undefined)
    throw badRequest(
      `unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key)}: ${keyError}`,
    );
  for (const value of values) {
    const [error] = labelValueErrors(value);
    if (error !== undefined)
      throw badRequest(
        `unable to parse requirement: values[0][${key}]: Invalid value: ${JSON.stringify(value)}: ${error}`,
      );
  }
}

/** Fields that objects of a kind can be selected by, beside their name and namespace (AddFieldLabelConversionFunc). */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Pod: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  Event: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  Namespace: ['status.phase'],
  Node: ['spec.unschedulable'],
  Secret: ['type'],
  Service: ['spec.clusterIP', 'spec.type'],
};

/** events.k8s.io has other names for them. */
const ALIASES: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  reportingController: 'reportingComponent',
};

const FIELD = /^\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*$/;

/** `status.phase=Running,spec.nodeName!=x` (fields.ParseSelector). Throws an ApiError (400). */
export function fieldSelector(kind: string, text: string): Predicate {
  const tests = text.trim() === '' ? [] : text.split(',').map(part => fieldTest(kind, part));
  return object => tests.every(test => test(object));
}

function fieldTest(kind: string, text: string): Predicate {
  const [, written = '', operator = '', value = ''] = FIELD.exec(text) ?? [];
  if (operator === '') throw badRequest(`invalid selector: '${text}'; can't understand '${text}'`);
  const [first = '', ...rest] = written.split('.');
  const field = [kind === 'Event' ? (ALIASES[first] ?? first) : first, ...rest].join('.');
  const known = ['metadata.name', 'metadata.namespace', ...(FIELDS[kind] ?? [])];
  if (!known.includes(field)) throw badRequest(`field label not supported: ${written}`);
  const isEqual: Predicate = object => textAt(object, field) === value;
  return operator === '!=' ? object => !isEqual(object) : isEqual;
}

/** What is not there is the empty text; of a source its component. */
function textAt(object: ApiObject, field: string): string {
  const value = field
    .split('.')
    .reduce<unknown>((at, key) => (Object(at) as Record<string, unknown>)[key], object);
  if (field === 'source') return String((Object(value) as { component?: string }).component ?? '');
  if (value === undefined && field === 'spec.hostNetwork') return 'false';
  if (value === undefined && field === 'spec.unschedulable') return 'false';
  return value === undefined || value === null ? '' : String(value);
}
