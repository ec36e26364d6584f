import type { ApiObject } from '../../agent/objects.ts';
import { findAll, toText } from '../../agent/print/jsonpath/evaluate.ts';
import { parseRelaxed } from '../../agent/print/jsonpath/parse.ts';
import type { ServedType } from '../../agent/resources.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { keyOf, singularOf } from '../../runtime/kinds.ts';
import { parseDuration } from '../duration.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { isMissing } from '../objects/get.ts';
import { placed, readObjects } from '../objects/read-objects.ts';
import { selectionOf } from '../objects/source.ts';
import { servedKind } from '../objects/types.ts';
import { askedObjects } from '../objects/words.ts';
import { agent } from './connection.ts';
import { type Subject, untilObject } from './until.ts';

const WEEK = 7 * 24 * 3600 * 1000;

/** What is waited for: whether an object, or that there is none, is it. */
export interface Condition {
  readonly kind: 'condition' | 'delete' | 'create' | 'jsonpath';
  isMet(object: ApiObject | undefined): boolean;
}

/** `condition=Ready`, `condition=Ready=False`, `delete`, `create`, `jsonpath='{.status.phase}'=Running`. Throws a UserError. */
export function parseCondition(text: string): Condition {
  const word = text.toLowerCase();
  if (word === 'delete') return { kind: 'delete', isMet: object => object === undefined };
  if (word === 'create') return { kind: 'create', isMet: object => object !== undefined };
  if (word.startsWith('condition=')) return statusCondition(text.slice('condition='.length));
  if (word.startsWith('jsonpath=')) return jsonpathCondition(text.slice('jsonpath='.length));
  throw new UserError(`unrecognized condition: ${JSON.stringify(text)}`, {
    hint: "condition=Ready, delete, create, or jsonpath='{.status.phase}'=Running",
  });
}

function statusCondition(text: string): Condition {
  const equals = text.indexOf('=');
  const [type, status] = equals === -1 ? [text, 'true'] : [text.slice(0, equals), text.slice(equals + 1)];
  const isSame = (one: string | undefined, other: string): boolean =>
    one?.toLowerCase() === other.toLowerCase();
  return {
    kind: 'condition',
    isMet: object => {
      const { conditions = [] } = (object?.status ?? {}) as {
        readonly conditions?: readonly { readonly type?: string; readonly status?: string }[];
      };
      return conditions.some(each => isSame(each.type, type) && isSame(each.status, status));
    },
  };
}

function jsonpathCondition(text: string): Condition {
  const match = /^'?(\{.*\}|[^={}']+)'?(?:=(.*))?$/s.exec(text);
  const [, path = '', value] = match ?? [];
  if (match === null || value === '')
    throw new UserError(
      "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'",
    );
  const steps = parseRelaxed(path);
  const wanted = value?.replace(/^(['"])(.*)\1$/s, '$2');
  return {
    kind: 'jsonpath',
    isMet: object => {
      const found = object === undefined ? [] : findAll(steps, object);
      if (found.length > 1) throw new UserError('given jsonpath expression matches more than one value');
      return found.length === 1 && (wanted === undefined || toText(found[0]) === wanted);
    },
  };
}

/** `wait TYPE/NAME… --for=CONDITION [--timeout=30s]`. */
export async function wait(args: Args, io: Io): Promise<number> {
  const condition = parseCondition(text(args, 'for') ?? '');
  const written = text(args, 'timeout') ?? '30s';
  const timeout = written.startsWith('-') ? WEEK : parseDuration(written, '--timeout');
  const client = await agent(args, io);
  const namespace = text(args, 'namespace') ?? 'default';
  const subjects = [...(await asked(args, io, namespace))];
  if (subjects.length === 0) throw new UserError('no matching resources found');
  const end = performance.now() + timeout;
  const errors: UserError[] = [];
  for (const subject of subjects) {
    const { type, name } = subject;
    try {
      // One that has gone is what was wanted; for everything else it must be there.
      const before = await client.find(type, subject.namespace, name);
      if (before === undefined && condition.kind === 'delete') continue;
      if (condition.kind !== 'create' && before === undefined)
        await client.get(type, subject.namespace, name);
      const uid = before?.metadata.uid;
      const isDone = (object: ApiObject | undefined): boolean => {
        const isReplaced = condition.kind === 'delete' && object !== undefined && object.metadata.uid !== uid;
        return isReplaced || condition.isMet(object);
      };
      const result = await untilObject(client, subject, isDone, Math.max(0, end - performance.now()));
      if (result === 'done') io.out(`${singularOf(type)}/${name} condition met\n`);
      else errors.push(new UserError(`timed out waiting for the condition on ${type.resource}/${name}`));
    } catch (error) {
      if (!(error instanceof UserError) || !isMissing(error)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;

  /** The objects that are waited for: named, of files, or all that are selected. */
  async function asked(args: Args, io: Io, namespace: string): Promise<readonly Subject[]> {
    if (texts(args, 'filename').length > 0)
      return readObjects(args, io).map(object => {
        const type = servedKind(object.kind);
        const key = keyOf(type, placed(object, text(args, 'namespace')), 'default');
        return { type, namespace: key.namespace, name: key.name };
      });
    const place = (type: ServedType): string | undefined => (type.namespaced ? namespace : undefined);
    const groups = askedObjects(texts(args, 'object')).map(async ({ type, names }) => {
      if (names.length > 0) return names.map(name => ({ type, namespace: place(type), name }));
      const selection = selectionOf(args);
      if (
        selection.labelSelector === undefined &&
        selection.fieldSelector === undefined &&
        !flag(args, 'all')
      )
        throw new UserError('resource(s) were provided, but no name was specified');
      const { items } = await client.list(type, flag(args, 'all-namespaces') ? undefined : place(type), {
        ...selection,
      });
      return items.map(({ metadata }) => ({
        type,
        namespace: metadata.namespace,
        name: metadata.name ?? '',
      }));
    });
    return (await Promise.all(groups)).flat();
  }
}
