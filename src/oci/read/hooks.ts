import { type Fields, present } from './json.ts';

/** config.md, "POSIX-platform Hooks". */
export interface OciHook {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export const HOOK_KINDS = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;
export type HookKind = (typeof HOOK_KINDS)[number];
export type OciHooks = Readonly<Record<HookKind, readonly OciHook[]>>;

export function readHooks(fields: Fields | undefined): OciHooks {
  const read = (kind: HookKind): readonly OciHook[] =>
    fields === undefined ? [] : fields.objects(kind, readHook);
  return Object.fromEntries(HOOK_KINDS.map(kind => [kind, read(kind)])) as unknown as OciHooks;
}

function readHook(fields: Fields): OciHook {
  const path = fields.text('path') ?? fields.fail('path', 'is missing');
  if (!path.startsWith('/')) fields.fail('path', 'is not an absolute path');
  return {
    path,
    ...present({
      args: fields.has('args') ? fields.texts('args') : undefined,
      env: fields.has('env') ? fields.texts('env') : undefined,
      timeout: fields.integer('timeout', 1, 2 ** 31),
    }),
  };
}
