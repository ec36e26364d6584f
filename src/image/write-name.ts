import { randomBytes } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { makeDirectories } from '../native/exact-mode.ts';
import type { Image, ImageStore } from './store.ts';

/** What a name's file may be called, with room for the temporary one. */
const MAX_FILE_NAME = 255 - '.0123456789ab.tmp'.length;

/** Anybody may read what an image is called and how it is configured (compile and explain need no root), not its files. */
export function prepareStore(store: ImageStore): void {
  for (const each of [store.names, store.roots]) makeDirectories(each, 0o755);
}

export function checkName(store: ImageStore, reference: string, name: string): void {
  if (basename(store.file(reference)).length > MAX_FILE_NAME)
    throw new UserError(`image name "${name}" is too long`);
}

/**
 * From now on the image is seen, whole. A name that is being written has the id of a root that is locked meanwhile, or one of
 * its own: then a sweep may take it away before it has its name.
 */
export function writeName(store: ImageStore, image: Image, id?: string): void {
  const file = store.file(image.reference);
  for (;;) {
    const temporary = `${file}.${id ?? randomBytes(6).toString('hex')}.tmp`;
    writeFileSync(temporary, JSON.stringify(image), { flush: true } as Parameters<typeof writeFileSync>[2]);
    try {
      chmodSync(temporary, 0o644);
      renameSync(temporary, file);
      return;
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error;
    }
  }
}
