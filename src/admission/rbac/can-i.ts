import type { UserInfo } from '../user.ts';
import { authorize, type Decision } from './authorizer.ts';
import type { Attributes } from './match.ts';
import type { RbacObjects } from './objects.ts';
import { type ResourceType, resourceFor, splitOnce } from './resources.ts';
import { QUESTION_VERBS, URL_VERBS } from './verbs.ts';

/** The flags of `auth can-i`. */
export interface CanIOptions {
  /** `--namespace` or the current one. */
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly subresource?: string;
}

/** The answer and what to print, or the error that kubectl would print. Warnings go to the standard error. */
export type CanI =
  | (Decision & {
      /** `yes`, `no`, or `no - REASON`. The exit status of a `no` is 1. */
      readonly answer: string;
      /** With `Warning: ` before each. */
      readonly warnings: readonly string[];
    })
  | { readonly error: string; readonly warnings: readonly string[] };

/** `auth can-i VERB TYPE[/NAME]`, `VERB TYPE.GROUP[/NAME]` or `VERB /URL` (kubectl's cani.go). */
export function canI(
  objects: RbacObjects,
  user: UserInfo,
  words: readonly string[],
  options: CanIOptions,
): CanI {
  const [verb, what] = words;
  if (verb === undefined || what === undefined || words.length !== 2) return { error: USAGE, warnings: [] };
  const { subresource = '' } = options;
  const isURL = what.startsWith('/');
  if (isURL && subresource !== '')
    return { error: '--subresource can not be used with NonResourceURL', warnings: [] };
  const { attributes, warnings } = isURL
    ? { attributes: { verb, path: what }, warnings: URL_VERBS.has(verb) ? [] : [unknownVerb(verb)] }
    : resourceQuestion(verb, what, subresource, options);
  const decision = authorize(objects, user, attributes);
  const because = decision.allowed || decision.reason === '' ? '' : ` - ${decision.reason}`;
  return {
    ...decision,
    answer: `${decision.allowed ? 'yes' : 'no'}${because}`,
    warnings: warnings.map(warning => `Warning: ${warning}`),
  };
}

const USAGE = 'you must specify two arguments: verb resource or verb resource/resourceName.';

const unknownVerb = (verb: string): string => `verb '${verb}' is not a known verb`;

interface Question {
  readonly attributes: Attributes;
  readonly warnings: readonly string[];
}

function resourceQuestion(
  verb: string,
  what: string,
  subresource: string,
  { namespace, allNamespaces = false }: CanIOptions,
): Question {
  const [written, name = ''] = splitOnce(what, '/');
  const found = written === '*' ? undefined : parseResource(written.toLowerCase());
  const type = found?.type;
  // kubectl asks for an unknown resource as it was written, its group and all.
  const { resource, group } = type ?? { resource: written, group: '' };
  const warnings = found === undefined || type !== undefined ? [] : unknownType(found);
  if (!allNamespaces) {
    if (type?.namespaced === false) warnings.push(notNamespaced(type));
    if (!QUESTION_VERBS.has(verb)) warnings.push(unknownVerb(verb));
  }
  return {
    attributes: {
      verb,
      apiGroup: group,
      resource,
      subresource,
      name,
      ...(allNamespaces ? {} : { namespace }),
    },
    warnings,
  };
}

interface ParsedResource {
  readonly resource: string;
  readonly group: string;
  readonly type: ResourceType | undefined;
}

/** `RESOURCE`, `RESOURCE.GROUP` or `RESOURCE.VERSION.GROUP` (schema.ParseResourceArg). */
function parseResource(text: string): ParsedResource {
  const [resource = '', ...rest] = text.split('.');
  const [version = '', ...group] = rest;
  const complete =
    group.length === 0 ? undefined : resourceFor({ resource, version, group: group.join('.') });
  const parts = { resource, group: rest.join('.') };
  return { ...parts, type: complete ?? resourceFor(parts) };
}

/** What clients may ask about though discovery does not list it: who may be impersonated. */
const NOT_DISCOVERED: ReadonlySet<string> = new Set(['users', 'groups']);

function unknownType({ resource, group }: ParsedResource): string[] {
  if (group !== '') return [`the server doesn't have a resource type '${resource}' in group '${group}'`];
  return NOT_DISCOVERED.has(resource) ? [] : [`the server doesn't have a resource type '${resource}'`];
}

function notNamespaced({ resource, group }: ResourceType): string {
  return `resource '${resource}' is not namespace scoped${group === '' ? '' : ` in group '${group}'`}`;
}
