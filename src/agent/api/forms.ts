import type { ApiObject } from '../objects.ts';
import { tableOf } from '../print/table.ts';
import type { ServedType } from '../resources.ts';
import type { Form } from './accept.ts';
import { apiVersionOf } from './decode.ts';

/** What a Table's rows hold beside their cells. */
type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface FormOptions {
  readonly form: Form;
  readonly includeObject: IncludeObject;
}

export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject');
  return text === 'None' || text === 'Object' ? text : 'Metadata';
}

const partial = ({ metadata }: ApiObject): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata,
});

interface ListMetadata {
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

function table(
  { kind }: ServedType,
  objects: readonly ApiObject[],
  metadata: ListMetadata,
  include: IncludeObject,
): object {
  const { columns, rows } = tableOf(kind, objects as never, Date.now());
  const held = (object: ApiObject): object => {
    if (include === 'None') return {};
    return { object: include === 'Object' ? object : partial(object) };
  };
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns,
    rows: rows.map(({ cells, object }) => ({ cells, ...held(object as ApiObject) })),
  };
}

/** One object in the form that was asked for. */
export function formOf(type: ServedType, object: ApiObject, { form, includeObject }: FormOptions): object {
  if (form === 'PartialObjectMetadata') return partial(object);
  if (form === 'object') return object;
  const { resourceVersion } = object.metadata;
  return table(type, [object], resourceVersion === undefined ? {} : { resourceVersion }, includeObject);
}

/** A list in the form that was asked for. */
export function formOfList(
  type: ServedType,
  objects: readonly ApiObject[],
  metadata: ListMetadata,
  { form, includeObject }: FormOptions,
): object {
  if (form === 'Table') return table(type, objects, metadata, includeObject);
  if (form === 'PartialObjectMetadata')
    return {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata,
      items: objects.map(partial),
    };
  return { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items: objects };
}
