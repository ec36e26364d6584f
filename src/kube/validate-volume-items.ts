import { type FieldError, invalid, required } from './field-error.ts';
import { configKeyErrors } from './names.ts';
import type { KeyToPath } from './types.generated.ts';

/** fileModeErrorMsg. */
const MODE_MESSAGE = 'must be a number between 0 and 0777 (octal), both inclusive';

export function validateMode(mode: number | undefined, at: string): readonly FieldError[] {
  return mode === undefined || (mode >= 0 && mode <= 0o777) ? [] : [invalid(at, mode, MODE_MESSAGE)];
}

/** validateKeyToPath of every item. */
export function validateItems(items: readonly KeyToPath[] | undefined, path: string): readonly FieldError[] {
  return (items ?? []).flatMap((item, i) => {
    const at = `${path}.items[${i}]`;
    return [
      ...(item.key
        ? configKeyErrors(item.key).map(detail => invalid(`${at}.key`, item.key, detail))
        : [required(`${at}.key`)]),
      ...(item.path ? [] : [required(`${at}.path`)]),
      ...localPath(`${at}.path`, item.path ?? ''),
      ...validateMode(item.mode, `${at}.mode`),
    ];
  });
}

/** ValidateLocalNonReservedPath: names that begin with `..` are the atomic writer's. */
export function localPath(at: string, path: string): readonly FieldError[] {
  const isReserved = path.startsWith('..') && !path.startsWith('../');
  return [...relativePath(at, path), ...(isReserved ? [invalid(at, path, "must not start with '..'")] : [])];
}

/** validateLocalDescendingPath. */
export function relativePath(at: string, path: string): readonly FieldError[] {
  return [
    ...(path.startsWith('/') ? [invalid(at, path, 'must be a relative path')] : []),
    ...(path.split('/').includes('..') ? [invalid(at, path, "must not contain '..'")] : []),
  ];
}
