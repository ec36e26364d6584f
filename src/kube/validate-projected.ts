import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { qualifiedNameErrors } from './qualified-names.ts';
import type {
  DownwardAPIVolumeFile,
  ProjectedVolumeSource,
  ResourceFieldSelector,
  VolumeProjection,
} from './types.generated.ts';
import { RESOURCE_FIELDS } from './validate-resources.ts';
import { localPath, validateItems, validateMode } from './validate-volume-items.ts';

/** validateProjectedVolumeSource and validateProjectionSources; conflicts are reported at the volume, as there. */
export function validateProjected(projected: ProjectedVolumeSource, path: string): readonly FieldError[] {
  const seen = new Set<string>();
  const conflicts = (paths: readonly (string | undefined)[], value: (path: string) => string | undefined) =>
    paths.flatMap(one => {
      if (!one) return [];
      if (seen.has(one)) return [invalid(path, value(one) ?? '', 'conflicting duplicate paths')];
      seen.add(one);
      return [];
    });
  const validateSource = (source: VolumeProjection, at: string): readonly FieldError[] => {
    const errors: FieldError[] = [];
    for (const kind of ['secret', 'configMap'] as const) {
      const object = source[kind];
      if (object === undefined) continue;
      if (!object.name) errors.push(required(`${at}.${kind}.name`));
      errors.push(
        ...validateItems(object.items, `${at}.${kind}`),
        ...conflicts(
          (object.items ?? []).map(item => item.path),
          () => object.name,
        ),
      );
    }
    if (source.downwardAPI !== undefined) {
      const items = source.downwardAPI.items ?? [];
      errors.push(
        ...validateDownwardItems(items, `${at}.downwardAPI`),
        ...conflicts(
          items.map(item => item.path),
          one => one,
        ),
      );
    }
    if (Object.keys(source).length > 1) errors.push(forbidden(at, 'may not specify more than 1 volume type'));
    return errors;
  };
  return [
    ...validateMode(projected.defaultMode, `${path}.defaultMode`),
    ...(projected.sources ?? []).flatMap((source, i) => validateSource(source, `${path}.sources[${i}]`)),
  ];
}

/** validateDownwardAPIVolumeFile of every item: their paths have no index, so it is in the API server. */
export function validateDownwardItems(
  items: readonly DownwardAPIVolumeFile[],
  path: string,
): readonly FieldError[] {
  return items.flatMap(item => [
    ...(item.path ? [] : [required(`${path}.path`)]),
    ...localPath(`${path}.path`, item.path ?? ''),
    ...validateReference(item, path),
    ...validateMode(item.mode, `${path}.mode`),
  ]);
}

function validateReference(
  { fieldRef, resourceFieldRef }: DownwardAPIVolumeFile,
  path: string,
): readonly FieldError[] {
  if (fieldRef !== undefined) {
    const both = 'fieldRef and resourceFieldRef can not be specified simultaneously';
    return [
      ...validateField(fieldRef.fieldPath ?? '', `${path}.fieldRef`),
      ...(resourceFieldRef === undefined ? [] : [invalid(path, 'resource', both)]),
    ];
  }
  if (resourceFieldRef === undefined)
    return [required(path, 'one of fieldRef and resourceFieldRef is required')];
  return validateResource(resourceFieldRef, `${path}.resourceFieldRef`);
}

const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

/** What ConvertDownwardAPIFieldLabel knows and only a variable can have. */
const OTHER_FIELDS = [
  'spec.host',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.phase',
  'status.podIP',
  'status.podIPs',
];

/** validateObjectFieldSelector with validVolumeDownwardAPIFieldPathExpressions. */
function validateField(field: string, at: string): readonly FieldError[] {
  if (field === '') return [required(`${at}.fieldPath`)];
  const [, name = '', key = ''] = /^(.*)\['(.*)'\]$/.exec(field) ?? [];
  if (name !== '') {
    if (name === 'metadata.annotations')
      return qualifiedNameErrors(key.toLowerCase()).map(detail => invalid(at, key, detail));
    if (name === 'metadata.labels') return qualifiedNameErrors(key).map(detail => invalid(at, key, detail));
    if (VOLUME_FIELDS.includes(name) || OTHER_FIELDS.includes(name))
      return [invalid(`${at}.fieldPath`, name, 'does not support subscript')];
  }
  if (VOLUME_FIELDS.includes(field)) return [];
  if (OTHER_FIELDS.includes(field)) return [notSupported(`${at}.fieldPath`, field, VOLUME_FIELDS)];
  return [
    invalid(`${at}.fieldPath`, field, `error converting fieldPath: field label not supported: ${field}`),
  ];
}

/** validateContainerResourceFieldSelector for a volume, which is no container's own. */
function validateResource(
  { containerName, resource }: ResourceFieldSelector,
  at: string,
): readonly FieldError[] {
  if (!containerName) return [required(`${at}.containerName`)];
  if (!resource) return [required(`${at}.resource`)];
  const isKnown = RESOURCE_FIELDS.includes(resource) || /^(limits|requests)\.hugepages-/.test(resource);
  return isKnown ? [] : [notSupported(`${at}.resource`, resource, RESOURCE_FIELDS)];
}
