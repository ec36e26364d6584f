import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
} from './field-error.ts';
import { labelErrors } from './names.ts';
import { parseQuantity } from './quantity.ts';
import type { Container, ObjectMeta, PodSpec, Volume, VolumeMount } from './types.generated.ts';
import { validateClaimVolume } from './validate-claim-volumes.ts';
import { validateDownwardItems, validateProjected } from './validate-projected.ts';
import { relativePath, validateItems, validateMode } from './validate-volume-items.ts';

const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'];

export function validateVolumes(spec: PodSpec, metadata: ObjectMeta): readonly FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const path = `spec.volumes[${i}]`;
    if (!volume.name) errors.push(required(`${path}.name`));
    else errors.push(...labelErrors(volume.name).map(detail => invalid(`${path}.name`, volume.name, detail)));
    if (volume.name && seen.has(volume.name)) errors.push(duplicate(`${path}.name`, volume.name));
    seen.add(volume.name);
    errors.push(...validateSource(volume, path), ...validateClaimVolume(volume, metadata, path));
  }
  return errors;
}

function validateSource(volume: Volume, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const sources = Object.keys(volume).filter(key => key !== 'name');
  for (const source of sources.slice(1))
    errors.push(forbidden(`${path}.${source}`, 'may not specify more than 1 volume type'));
  const { hostPath, configMap, secret, downwardAPI, projected, emptyDir } = volume;
  if (hostPath !== undefined) {
    if (!hostPath.path) errors.push(required(`${path}.hostPath.path`));
    else if (hostPath.path.split('/').includes('..'))
      errors.push(invalid(`${path}.hostPath.path`, hostPath.path, "must not contain '..'"));
    if (!HOST_PATH_TYPES.includes(hostPath.type ?? ''))
      errors.push(notSupported(`${path}.hostPath.type`, hostPath.type, HOST_PATH_TYPES));
  }
  if (configMap !== undefined) {
    if (!configMap.name) errors.push(required(`${path}.configMap.name`));
    errors.push(
      ...validateMode(configMap.defaultMode, `${path}.configMap.defaultMode`),
      ...validateItems(configMap.items, `${path}.configMap`),
    );
  }
  if (secret !== undefined) {
    if (!secret.secretName) errors.push(required(`${path}.secret.secretName`));
    errors.push(
      ...validateMode(secret.defaultMode, `${path}.secret.defaultMode`),
      ...validateItems(secret.items, `${path}.secret`),
    );
  }
  if (downwardAPI !== undefined)
    errors.push(
      ...validateMode(downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`),
      ...validateDownwardItems(downwardAPI.items ?? [], `${path}.downwardAPI`),
    );
  if (projected !== undefined) errors.push(...validateProjected(projected, `${path}.projected`));
  if (emptyDir?.sizeLimit !== undefined && (parseQuantity(emptyDir.sizeLimit) ?? -1n) < 0n) {
    errors.push(forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  }
  return errors;
}

/** The paths of these errors have no index: so it is in the source of the API server. */
export function validateVolumeMounts(
  container: Container,
  volumes: ReadonlySet<string>,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`;
    if (!mount.name) errors.push(required(`${at}.name`));
    else if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (!mount.mountPath) errors.push(required(`${at}.mountPath`));
    if (mount.mountPath && seen.has(mount.mountPath))
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    seen.add(mount.mountPath);
    errors.push(...validateMountOptions(mount, container, path));
  }
  return errors;
}

function validateMountOptions(mount: VolumeMount, container: Container, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.volumeMounts`;
  if (mount.subPath && mount.subPathExpr)
    errors.push(
      invalid(`${at}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'),
    );
  if (mount.subPath) errors.push(...relativePath(`${at}.subPath`, mount.subPath));
  if (mount.subPathExpr) errors.push(...relativePath(`${at}.subPathExpr`, mount.subPathExpr));
  if (mount.mountPropagation !== undefined) {
    if (!PROPAGATIONS.includes(mount.mountPropagation))
      errors.push(notSupported(`${at}.mountPropagation`, mount.mountPropagation, PROPAGATIONS));
    if (mount.mountPropagation === 'Bidirectional' && container.securityContext?.privileged !== true) {
      errors.push(
        forbidden(
          `${at}.mountPropagation`,
          'Bidirectional mount propagation is available only to privileged containers',
        ),
      );
    }
  }
  return [...errors, ...validateRecursiveReadOnly(mount, `${at}.recursiveReadOnly`)];
}

const RECURSIVE = ['Disabled', 'Enabled', 'IfPossible'];

/** validateMountRecursiveReadOnly. */
function validateRecursiveReadOnly(mount: VolumeMount, at: string): readonly FieldError[] {
  const { recursiveReadOnly, readOnly, mountPropagation = 'None' } = mount;
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return [];
  if (!RECURSIVE.includes(recursiveReadOnly)) return [notSupported(at, recursiveReadOnly, RECURSIVE)];
  const propagation = 'may only be specified when mountPropagation is None or not specified';
  return [
    ...(readOnly === true ? [] : [forbidden(at, 'may only be specified when readOnly is true')]),
    ...(mountPropagation === 'None' ? [] : [forbidden(at, propagation)]),
  ];
}
