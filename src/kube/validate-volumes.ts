import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
} from './field-error.ts';
import { configKeyErrors, labelErrors } from './names.ts';
import { parseQuantity } from './quantity.ts';
import type { Container, KeyToPath, PodSpec, Volume, VolumeMount } from './types.generated.ts';

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
const MODE_MESSAGE = 'must be a number between 0 and 0777 (octal), both inclusive';

export function validateVolumes(spec: PodSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const path = `spec.volumes[${i}]`;
    if (!volume.name) errors.push(required(`${path}.name`));
    else errors.push(...labelErrors(volume.name).map(detail => invalid(`${path}.name`, volume.name, detail)));
    if (volume.name && seen.has(volume.name)) errors.push(duplicate(`${path}.name`, volume.name));
    seen.add(volume.name);
    errors.push(...validateSource(volume, path));
  }
  return errors;
}

function validateSource(volume: Volume, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const sources = Object.keys(volume).filter(key => key !== 'name');
  for (const source of sources.slice(1))
    errors.push(forbidden(`${path}.${source}`, 'may not specify more than 1 volume type'));
  const { hostPath, configMap, secret, emptyDir } = volume;
  if (hostPath !== undefined) {
    if (!hostPath.path) errors.push(required(`${path}.hostPath.path`));
    else if (hostPath.path.split('/').includes('..'))
      errors.push(invalid(`${path}.hostPath.path`, hostPath.path, "must not contain '..'"));
    if (!HOST_PATH_TYPES.includes(hostPath.type ?? ''))
      errors.push(notSupported(`${path}.hostPath.type`, hostPath.type, HOST_PATH_TYPES));
  }
  if (configMap !== undefined) {
    if (!configMap.name) errors.push(required(`${path}.configMap.name`));
    errors.push(...validateItems(configMap, `${path}.configMap`));
  }
  if (secret !== undefined) {
    if (!secret.secretName) errors.push(required(`${path}.secret.secretName`));
    errors.push(...validateItems(secret, `${path}.secret`));
  }
  if (emptyDir?.sizeLimit !== undefined && (parseQuantity(emptyDir.sizeLimit) ?? -1n) < 0n) {
    errors.push(forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  }
  return errors;
}

function validateItems(
  source: { readonly defaultMode?: number; readonly items?: readonly KeyToPath[] },
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (source.defaultMode !== undefined && !isMode(source.defaultMode))
    errors.push(invalid(`${path}.defaultMode`, source.defaultMode, MODE_MESSAGE));
  for (const [i, item] of (source.items ?? []).entries()) {
    const at = `${path}.items[${i}]`;
    if (!item.key) errors.push(required(`${at}.key`));
    else errors.push(...configKeyErrors(item.key).map(detail => invalid(`${at}.key`, item.key, detail)));
    errors.push(...(item.path ? relativePath(`${at}.path`, item.path) : [required(`${at}.path`)]));
    if (item.path?.startsWith('..') && !item.path.startsWith('../'))
      errors.push(invalid(`${at}.path`, item.path, "must not start with '..'"));
    if (item.mode !== undefined && !isMode(item.mode))
      errors.push(invalid(`${at}.mode`, item.mode, MODE_MESSAGE));
  }
  return errors;
}

const isMode = (mode: number): boolean => mode >= 0 && mode <= 0o777;

function relativePath(at: string, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (path.startsWith('/')) errors.push(invalid(at, path, 'must be a relative path'));
  if (path.split('/').includes('..')) errors.push(invalid(at, path, "must not contain '..'"));
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
  if (
    mount.recursiveReadOnly !== undefined &&
    mount.recursiveReadOnly !== 'Disabled' &&
    mount.readOnly !== true
  ) {
    errors.push(forbidden(`${at}.recursiveReadOnly`, 'may only be specified when readOnly is true'));
  }
  return errors;
}
