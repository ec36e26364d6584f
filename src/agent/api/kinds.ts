import { isDeepStrictEqual } from 'node:util';
import { escalation } from '../../admission/rbac/escalation.ts';
import { isRbacKind, type RbacObject, setRbacDefaults } from '../../admission/rbac/objects.ts';
import { type FieldError, forbidden as forbiddenField, invalid } from '../../kube/field-error.ts';
import type { LoadedObject } from '../../kube/manifest.ts';
import { subdomainErrors } from '../../kube/names.ts';
import type {
  NetworkPolicy,
  PersistentVolumeClaim,
  PodSecurityPolicy,
  Secret,
  Service,
} from '../../kube/types.generated.ts';
import { setSecretDefaults } from '../../kube/validate-config.ts';
import { validateObjectMeta } from '../../kube/validate-metadata.ts';
import { setNetworkPolicyDefaults } from '../../kube/validate-network-policy.ts';
import { setServiceDefaults } from '../../kube/validate-service.ts';
import { withStatus } from '../../runtime/claims.ts';
import { allocateService } from '../../runtime/node-rules.ts';
import { validateObjects, validateUpdate } from '../../runtime/validate-objects.ts';
import { forbidden } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';
import { servedKind } from '../resources.ts';
import type { ApiContext, Change } from './context.ts';
import { asApi, requireValid } from './invalid.ts';
import { preparePod } from './pod-create.ts';
import { updatePod } from './pod-update.ts';

type Context = Pick<ApiContext, 'registry' | 'access' | 'roots'>;

/** What the API server does to objects of a kind before they are stored. Each step throws an ApiError. */
interface Strategy {
  readonly defaults?: (object: ApiObject) => ApiObject;
  /** Beside validateObjects. */
  readonly errors?: (object: ApiObject) => readonly FieldError[];
  /** Fields that no update may change. */
  readonly updateErrors?: (after: ApiObject, before: ApiObject) => readonly FieldError[];
  /** What is filled in last. */
  readonly finish?: (object: ApiObject, context: Context, before: ApiObject | undefined) => ApiObject;
}

const as = <T>(object: ApiObject): T => object as unknown as T;
const from = (object: unknown, { apiVersion, kind }: ApiObject): ApiObject =>
  ({ ...(object as object), apiVersion, kind }) as ApiObject;

const STRATEGIES: Readonly<Record<string, Strategy>> = {
  Namespace: {
    defaults: object => {
      const { name = '', labels = {} } = object.metadata;
      const metadata = { ...object.metadata, labels: { 'kubernetes.io/metadata.name': name, ...labels } };
      return { ...object, metadata, spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } };
    },
  },
  Secret: { defaults: object => from(setSecretDefaults(as<Secret>(object)), object) },
  ServiceAccount: { errors: ({ metadata }) => validateObjectMeta(metadata, subdomainErrors) },
  NetworkPolicy: { defaults: object => from(setNetworkPolicyDefaults(as<NetworkPolicy>(object)), object) },
  PodSecurityPolicy: {
    // Policies are older than the field, and what they allowed then they allow still.
    defaults: object => ({
      ...object,
      spec: { allowPrivilegeEscalation: true, ...(object.spec as PodSecurityPolicy['spec']) },
    }),
  },
  PersistentVolumeClaim: {
    defaults: object => {
      const { spec = {} } = as<PersistentVolumeClaim>(object);
      return {
        ...object,
        spec: { ...spec, volumeMode: spec.volumeMode ?? 'Filesystem' },
        status: { phase: 'Pending' },
      };
    },
    updateErrors: ({ spec: after }, { spec: before }) => {
      const fixed = (spec: unknown): object => ({
        ...(spec as object),
        resources: undefined,
        volumeName: undefined,
      });
      if (isDeepStrictEqual(fixed(after), fixed(before))) return [];
      return [
        forbiddenField(
          'spec',
          'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
        ),
      ];
    },
  },
  Service: {
    defaults: object => from(setServiceDefaults(as<Service>(object)), object),
    updateErrors: ({ spec: after }, { spec: before }) => {
      const [one, other] = [after, before] as [Service['spec'], Service['spec']];
      const isFixed = ![one?.type, other?.type].includes('ExternalName');
      if (!isFixed || one?.clusterIP === undefined || one.clusterIP === other?.clusterIP) return [];
      return [invalid('spec.clusterIPs[0]', [one.clusterIP], 'may not change once set')];
    },
    finish: allocated,
  },
};

/** Addresses and node ports: those that it had, or new ones. */
function allocated(object: ApiObject, { roots }: Context, before: ApiObject | undefined): ApiObject {
  const service = allocateService(as<Service>(object), roots);
  const type = servedKind('Service');
  if ('errors' in service) {
    requireValid(type, object.metadata.name ?? '', service.errors);
    return object;
  }
  return { ...from(service, object), status: before?.status ?? { loadBalancer: {} } };
}

const SOURCE: LoadedObject['source'] = { file: '', locate: () => ({ line: 1, column: 1 }) };
const loadedOf = (object: ApiObject): LoadedObject => ({
  apiVersion: object.apiVersion,
  kind: object.kind,
  object,
  source: SOURCE,
});

/** A new object as it is to be stored: with defaults, admitted and valid. Throws an ApiError. */
export function prepareCreate(
  context: Context,
  object: ApiObject,
  change: Change,
  isNameGenerated: boolean,
): ApiObject {
  if (object.kind === 'Pod') return preparePod(context, object, change, isNameGenerated);
  return prepare(context, object, change, undefined);
}

/** An object after an update. Throws an ApiError. */
export function prepareUpdate(
  context: Context,
  object: ApiObject,
  change: Change,
  before: ApiObject,
): ApiObject {
  if (object.kind === 'Pod') return updatePod(object, before);
  return prepare(context, kept(object, before), change, before);
}

/** Addresses that a Service has been given stay, where a manifest says nothing of them. */
function kept(object: ApiObject, before: ApiObject): ApiObject {
  if (object.kind !== 'Service') return object;
  const [{ spec = {} }, { spec: old = {} }] = [as<Service>(object), as<Service>(before)];
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return object;
  const { clusterIP = old.clusterIP, clusterIPs = old.clusterIPs } = spec;
  const ports = spec.ports?.map(port => {
    const nodePort =
      port.nodePort ?? old.ports?.find(each => each.port === port.port && each.name === port.name)?.nodePort;
    return spec.type === 'ClusterIP' || nodePort === undefined ? port : { ...port, nodePort };
  });
  return { ...object, spec: { ...spec, clusterIP, clusterIPs, ...(ports === undefined ? {} : { ports }) } };
}

function prepare(
  context: Context,
  written: ApiObject,
  { user }: Change,
  before: ApiObject | undefined,
): ApiObject {
  const type = servedKind(written.kind);
  const name = written.metadata.name ?? '';
  const strategy = STRATEGIES[written.kind] ?? {};
  // What clients say of the status is not theirs to say.
  const { status: _, ...stated } = written;
  const object = completed(strategy, stated as ApiObject);
  if (strategy.errors === undefined) asApi(type, name, () => validateObjects([loadedOf(object)]));
  else requireValid(type, name, strategy.errors(object));
  if (before !== undefined) {
    asApi(type, name, () => validateUpdate(loadedOf(object), loadedOf(before)));
    requireValid(type, name, [
      ...(strategy.updateErrors?.(object, before) ?? []),
      ...roleRefErrors(object, before),
    ]);
  }
  if (isRbacKind(object.kind)) {
    const why = escalation(context.access.objects.rbac, user, object.kind, as<RbacObject>(object));
    if (why !== undefined) throw forbidden(type, name, why);
  }
  return strategy.finish?.(object, context, before) ?? object;
}

function completed(strategy: Strategy, object: ApiObject): ApiObject {
  if (isRbacKind(object.kind)) return from(setRbacDefaults(as<RbacObject>(object), object.kind), object);
  return strategy.defaults?.(object) ?? object;
}

/** What a binding is to cannot be changed: that would give everybody in it something else. */
function roleRefErrors(after: ApiObject, before: ApiObject): readonly FieldError[] {
  if (after.roleRef === undefined || isDeepStrictEqual(after.roleRef, before.roleRef)) return [];
  return [invalid('roleRef', after.roleRef, 'cannot change roleRef')];
}

/** An object as clients see it: of some only the machine knows how they are. */
export function shown({ roots }: Pick<ApiContext, 'roots'>, object: ApiObject): ApiObject {
  if (object.kind === 'Service') return withAddress(roots, object);
  if (object.kind !== 'PersistentVolumeClaim') return object;
  return from(withStatus(roots, as<PersistentVolumeClaim>(object)), object);
}

/** Other commands store Services as they were written: the addresses are the node's to give, the same ones each time. */
function withAddress(roots: ApiContext['roots'], object: ApiObject): ApiObject {
  const { type, clusterIP } = as<Service>(object).spec ?? {};
  if (clusterIP !== undefined || type === 'ExternalName') return object;
  const service = allocateService(setServiceDefaults(as<Service>(object)), roots);
  return 'errors' in service ? object : from(service, object);
}
