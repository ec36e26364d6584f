import { UserError } from '../base/errors.ts';

/** The `config` of an OCI image (image-spec, config.md), every field there. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly ExposedPorts: readonly string[];
  readonly Volumes: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal: string;
}

type Reader = (value: unknown) => unknown;

const isText = (value: unknown): value is string => typeof value === 'string';
const text: Reader = value => (isText(value) ? value : undefined);
const texts: Reader = value => (Array.isArray(value) && value.every(isText) ? value : undefined);
const keys: Reader = value => (isObject(value) ? Object.keys(value) : undefined);
const labels: Reader = value => (isObject(value) && Object.values(value).every(isText) ? value : undefined);

const FIELDS: Readonly<
  Record<keyof ImageConfig, readonly [reader: Reader, empty: unknown, expected: string]>
> = {
  User: [text, '', 'a string'],
  Env: [texts, [], 'a list of strings'],
  Entrypoint: [texts, [], 'a list of strings'],
  Cmd: [texts, [], 'a list of strings'],
  WorkingDir: [text, '', 'a string'],
  ExposedPorts: [keys, [], 'an object'],
  Volumes: [keys, [], 'an object'],
  Labels: [labels, {}, 'an object of strings'],
  StopSignal: [text, '', 'a string'],
};

/** Reads an image config: the whole document or its `config` part. `where` names the source in errors. */
export function parseImageConfig(json: string, where: string): ImageConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    // V8 quotes a part of the text, whatever that is.
    const why = String(cause).replace(/^SyntaxError: |\p{Cc}/gu, '');
    throw new UserError(`${where}: ${why}`, { cause });
  }
  if (!isObject(parsed)) throw new UserError(`${where}: expected an object`);
  const config = parsed.config ?? parsed;
  if (!isObject(config)) throw new UserError(`${where}: config: expected an object`);
  const entries = Object.entries(FIELDS).map(([name, [reader, empty, expected]]) => {
    const value = config[name];
    if (value === undefined || value === null) return [name, empty];
    const read = reader(value);
    if (read === undefined) throw new UserError(`${where}: ${name}: expected ${expected}`);
    if ([read].flat().some(each => isText(each) && each.includes('\0')))
      throw new UserError(`${where}: ${name}: contains a NUL byte`);
    return [name, read];
  });
  return Object.fromEntries(entries) as ImageConfig;
}

export const EMPTY_CONFIG: ImageConfig = parseImageConfig('{}', 'default');

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
