import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parseImageConfig } from '../../src/image/config.ts';
import { importDirectory } from '../../src/image/importer.ts';
import { ImageStore } from '../../src/image/store.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { leftovers, needsRoot, type Result, runPod } from './harness.ts';

/** What an image or a container does to get at `canary`, a directory of the test's outside of every root. */
export interface Attack {
  /** Prepares the image's root, a copy of busybox. */
  readonly build?: (root: string, canary: string) => void;
  /** Of the image's config. */
  readonly config?: object;
  /** Of the pod's last container, and of its spec. */
  readonly container?: object | ((canary: string) => object);
  readonly spec?: object | ((canary: string) => object);
  /** More arguments of `run`. */
  readonly args?: readonly string[];
  /** It runs, inside: what the last container prints. Or it is not started: the one line that says why. */
  readonly expect: { readonly ran: RegExp } | { readonly refused: RegExp };
}

export const sh = (script: string): object => ({ command: ['/bin/sh', '-c', script] });

/** Puts something in the place of what is at a path of the root. */
export const instead = (root: string, path: string, put: (at: string) => void): void => {
  rmSync(join(root, path), { recursive: true, force: true });
  put(join(root, path));
};

export const link =
  (path: string, target: string | ((canary: string) => string)) =>
  (root: string, canary: string): void =>
    instead(root, path, at => symlinkSync(typeof target === 'string' ? target : target(canary), at));

/** A FIFO, or a device: "c 1 3". */
export const node =
  (path: string, type = 'p') =>
  (root: string): void =>
    instead(root, path, at => execFileSync('mknod', [at, ...type.split(' ')]));

/** Everything about a directory that an attack could change. */
export function contentOf(directory: string): readonly string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .concat('.')
    .sort()
    .map(name => {
      const path = join(directory, name);
      const { mode, uid, gid, mtimeMs, ino } = lstatSync(path);
      const text = (mode & 0o170000) === 0o100000 ? readFileSync(path, 'utf8') : '';
      const target = (mode & 0o170000) === 0o120000 ? readlinkSync(path) : '';
      return [name, mode.toString(8), uid, gid, mtimeMs, ino, text, target].join(' ');
    });
}

/** Runs with a canary, and sees to it that the canary is as it was and that nothing is left behind. */
export async function withCanary(t: Test, body: (canary: string) => void | Promise<void>): Promise<void> {
  const canary = mkdtempSync(join(tmpdir(), 'podspace-canary-'));
  try {
    writeFileSync(join(canary, 'file'), 'untouched\n');
    writeFileSync(join(canary, 'passwd'), 'intruder:x:0:0::/:/bin/sh\n');
    writeFileSync(join(canary, 'program'), '#!/bin/sh\necho owned\n', { mode: 0o755 });
    const before = contentOf(canary);
    await body(canary);
    t.strictSame(contentOf(canary), before, 'nothing outside has changed');
    t.strictSame(leftovers(), [], 'nothing is left behind');
  } finally {
    rmSync(canary, { recursive: true });
  }
}

/** An image of the test's own, removed afterwards. */
export async function withImage(
  attack: Pick<Attack, 'build' | 'config'>,
  canary: string,
  body: (name: string) => void | Promise<void>,
): Promise<void> {
  const name = `localhost/test-hostile-${process.pid}`;
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const base = store.get('localhost/busybox');
  if (base === undefined) throw new Error('no busybox image');
  const directory = mkdtempSync(join(tmpdir(), 'podspace-hostile-'));
  let isImported = false;
  try {
    const root = join(directory, 'rootfs');
    execFileSync('cp', ['-a', join(DEFAULT_ROOTS.state, store.layers(base)[0] ?? ''), root]);
    attack.build?.(root, canary);
    const config = parseImageConfig(
      JSON.stringify({ Cmd: ['/bin/true'], Env: ['PATH=/bin'], ...attack.config }),
      name,
    );
    await importDirectory(store, name, root, { config });
    isImported = true;
    await body(name);
  } finally {
    if (isImported) store.remove(name, () => false);
    // Deep trees and names that are no UTF-8 are among them.
    execFileSync('rm', ['-rf', '--one-file-system', directory]);
  }
}

/** Why a pod or its last container did not run. */
function reasonOf(result: Result): string | undefined {
  const last = result.containers.at(-1);
  return result.reason === undefined ? last?.message : `${result.reason}: ${result.message ?? ''}`;
}

const ofCanary = (value: object | ((canary: string) => object) | undefined, canary: string): object =>
  typeof value === 'function' ? value(canary) : (value ?? {});

function attackWith(t: Test, attack: Attack, image: string, canary: string): void {
  const containers = [{ name: 'main', image, ...ofCanary(attack.container, canary) }];
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `hostile-${process.pid}` },
    spec: { terminationGracePeriodSeconds: 0, ...ofCanary(attack.spec, canary), containers },
  };
  const text = JSON.stringify(manifest).replaceAll('"IMAGE"', JSON.stringify(image));
  const result = runPod(text, '--timeout', '20s', ...(attack.args ?? []));
  t.not(result.status, 124, 'it ends by itself');
  const output = result.containers.map(({ stdout, stderr }) => stdout + stderr).join('');
  t.notMatch(output, /owned|untouched/, 'nothing from outside is seen or run');
  const reason = reasonOf(result);
  if ('ran' in attack.expect) {
    t.equal(reason, undefined);
    t.match(result.containers.at(-1)?.stdout, attack.expect.ran);
  } else {
    t.match(reason, attack.expect.refused);
    t.notMatch(reason, /\n|.{500}/, 'one line');
    t.equal(result.containers.at(-1)?.stdout ?? '', '');
  }
}

/** A test for each row of a table. */
export function testAttacks(attacks: Readonly<Record<string, Attack>>): void {
  for (const [title, attack] of Object.entries(attacks)) {
    t.test(title, { skip: needsRoot }, t =>
      withCanary(t, canary => withImage(attack, canary, image => attackWith(t, attack, image, canary))),
    );
  }
}
