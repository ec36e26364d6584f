/** Commands about stored objects, in one file of their own beside the bundle: the words are kubectl's. */
import type { Args, Io } from './io.ts';
import { auth } from './objects/auth.ts';
import { apply, create, replace } from './objects/create.ts';
import { remove } from './objects/delete.ts';
import { get } from './objects/get.ts';

export const OBJECT_COMMANDS: Readonly<
  Record<
    'apply' | 'create' | 'replace' | 'delete' | 'get' | 'auth',
    (args: Args, io: Io) => number | Promise<number>
  >
> = {
  apply,
  create,
  replace,
  delete: remove,
  get,
  auth,
};
