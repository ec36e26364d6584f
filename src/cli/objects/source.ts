import { notFound } from '../../agent/api-error.ts';
import type { AgentClient } from '../../agent/client.ts';
import type { ApiObject } from '../../agent/objects.ts';
import type { ServedType } from '../../agent/resources.ts';
import { ServerError } from '../../agent/server-error.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import type { PersistentVolumeClaim } from '../../kube/types.generated.ts';
import { qualifiedName } from '../../network/state.ts';
import { withStatus } from '../../runtime/claims.ts';
import { readNodeState } from '../../runtime/node-rules.ts';
import { ObjectStore } from '../../runtime/object-store.ts';
import { agent, runningAgent } from '../agent/connection.ts';
import { type Args, type Io, text } from '../io.ts';
import { requireVerb } from './require-verb.ts';
import { isAgents } from './types.ts';

/** What of the objects of a type is asked for. */
export interface Selection {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** Where a command finds objects: with the agent, or where none runs in its files. */
export interface ObjectSource {
  readonly client: AgentClient | undefined;
  /** Of all namespaces without one. */
  list(type: ServedType, namespace: string | undefined, selection: Selection): Promise<readonly ApiObject[]>;
  /** Throws a UserError if there is none of that name. */
  get(type: ServedType, namespace: string | undefined, name: string): Promise<ApiObject>;
}

/** The agent's if one runs, or if nobody else knows objects of these types: then it is started. */
export async function objectSource(args: Args, io: Io, types: readonly ServedType[]): Promise<ObjectSource> {
  const client = await (types.some(isAgents) ? agent(args, io) : runningAgent(args, io));
  return client === undefined ? storeSource(args, io) : agentSource(client);
}

function agentSource(client: AgentClient): ObjectSource {
  return {
    client,
    list: async (type, namespace, selection) => (await client.list(type, namespace, { ...selection })).items,
    get: (type, namespace, name) => client.get(type, type.namespaced ? namespace : undefined, name),
  };
}

function storeSource(args: Args, io: Io): ObjectSource {
  const store = new ObjectStore(io.roots);
  return {
    client: undefined,
    list: async (type, namespace, selection) => {
      requireVerb(args, io, 'list', type, { namespace: type.namespaced ? namespace : undefined, name: '' });
      const isThere = ({ metadata }: ApiObject): boolean =>
        !type.namespaced || namespace === undefined || metadata.namespace === namespace;
      const { labelSelector, fieldSelector } = await import('../../agent/api/selectors.ts');
      const isLabelled = labelSelector(selection.labelSelector ?? '');
      const hasFields = fieldSelector(type.kind, selection.fieldSelector ?? '');
      const selected = withFacts(io, store.list(type.kind).map(asObject));
      return selected.filter(object => isThere(object) && isLabelled(object) && hasFields(object));
    },
    get: async (type, namespace, name) => {
      const key = { kind: type.kind, namespace: type.namespaced ? namespace : undefined, name };
      requireVerb(args, io, 'get', type, key);
      const found = store.get(key);
      if (found === undefined) throw new ServerError(notFound(type, name).status);
      return withFacts(io, [asObject(found)])[0] as ApiObject;
    },
  };
}

/** `apiVersion` and `kind` first. */
export function asObject({ apiVersion, kind, object }: LoadedObject): ApiObject {
  const { apiVersion: _, kind: __, metadata = {}, ...rest } = object;
  return { apiVersion, kind, metadata: metadata as ApiObject['metadata'], ...rest };
}

/** What of an object only the machine knows. */
function withFacts(io: Io, objects: readonly ApiObject[]): readonly ApiObject[] {
  return withAddresses(io, objects).map(object =>
    object.kind === 'PersistentVolumeClaim'
      ? { ...object, ...withStatus(io.roots, object as PersistentVolumeClaim) }
      : object,
  );
}

/** Services with the addresses and node ports that the node gives them. */
function withAddresses({ roots }: Io, objects: readonly ApiObject[]): readonly ApiObject[] {
  if (!objects.some(({ kind }) => kind === 'Service')) return objects;
  const { services } = readNodeState(roots, process.geteuid?.() === 0 ? undefined : []);
  const served = new Map(services.map(service => [qualifiedName(service), service]));
  return objects.map(object => {
    const service = object.kind === 'Service' ? served.get(qualifiedName(object)) : undefined;
    return service?.spec === undefined ? object : { ...object, spec: service.spec };
  });
}

/** The options of a command that select objects. */
export const selectionOf = (args: Args): Selection => ({
  labelSelector: text(args, 'selector'),
  fieldSelector: text(args, 'field-selector'),
});
