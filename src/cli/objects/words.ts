import type { ServedType } from '../../agent/resources.ts';
import { UserError } from '../../base/errors.ts';
import { servedType, servedTypes } from './types.ts';

/** Objects of one type that a command is about; without names all of them. */
export interface Asked {
  readonly type: ServedType;
  readonly names: readonly string[];
}

/** `TYPE[,TYPE…] [NAME…]` or `TYPE/NAME…`, as kubectl takes them (resource.Builder). */
export function askedObjects(words: readonly string[]): readonly Asked[] {
  if (!words.some(word => word.includes('/'))) {
    const [types = '', ...names] = words;
    return servedTypes(types).map(type => ({ type, names }));
  }
  const asked = new Map<ServedType, string[]>();
  for (const word of words) {
    const [type = '', name = '', ...more] = word.split('/');
    if (!word.includes('/'))
      throw new UserError(
        'there is no need to specify a resource type as a separate argument when passing arguments in resource/name form',
        { hint: 'TYPE/NAME TYPE/NAME, or TYPE NAME NAME' },
      );
    if (more.length > 0)
      throw new UserError('arguments in resource/name form may not have more than one slash');
    if (type === '' || name === '')
      throw new UserError('arguments in resource/name form must have a single resource and name');
    const found = servedType(type);
    const names = asked.get(found);
    if (names === undefined) asked.set(found, [name]);
    else names.push(name);
  }
  return [...asked].map(([type, names]) => ({ type, names }));
}
