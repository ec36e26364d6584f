import { invalid, type StatusCause } from '../api-error.ts';

/** What a client wants of a log (v1.PodLogOptions). */
export interface LogOptions {
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly stream?: 'stdout' | 'stderr';
}

const TYPE = { group: '', kind: 'PodLogOptions' };
const STREAMS: Readonly<Record<string, 'stdout' | 'stderr' | undefined>> = {
  '': undefined,
  All: undefined,
  Stdout: 'stdout',
  Stderr: 'stderr',
};

/** Reads the query of a request. Throws an ApiError (422) with the words of ValidatePodLogOptions. */
export function logOptions(query: URLSearchParams, now: number = Date.now()): LogOptions {
  const causes: StatusCause[] = [];
  const wrong = (field: string, value: unknown, detail: string): undefined => {
    const message = `Invalid value: ${JSON.stringify(value)}: ${detail}`;
    causes.push({ reason: 'FieldValueInvalid', message, field });
    return undefined;
  };
  const integer = (field: string, least: number): number | undefined => {
    const text = query.get(field);
    if (text === null || text === '') return undefined;
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value))
      return wrong(field, text, 'must be an integer');
    const least_ = least === 0 ? 'must be greater than or equal to 0' : 'must be greater than 0';
    return value < least ? wrong(field, value, least_) : value;
  };
  const is = (field: string): boolean => ['1', 'true'].includes(query.get(field) ?? '');
  const seconds = integer('sinceSeconds', 1);
  const time = query.get('sinceTime') ?? '';
  if (seconds !== undefined && time !== '')
    causes.push({
      reason: 'FieldValueForbidden',
      message: 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
      field: '',
    });
  const at = time === '' ? undefined : Date.parse(time);
  if (at !== undefined && Number.isNaN(at)) wrong('sinceTime', time, 'must be RFC 3339');
  const stream = query.get('stream') ?? '';
  if (!Object.hasOwn(STREAMS, stream))
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(stream)}: supported values: "All", "Stderr", "Stdout"`,
      field: 'stream',
    });
  const tailLines = integer('tailLines', 0);
  const limitBytes = integer('limitBytes', 1);
  const since = seconds === undefined ? at : now - seconds * 1000;
  if (causes.length > 0) throw invalid(TYPE, '', causes);
  const chosen = STREAMS[stream];
  return {
    container: query.get('container') ?? '',
    follow: is('follow'),
    previous: is('previous'),
    timestamps: is('timestamps'),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
    ...(chosen === undefined ? {} : { stream: chosen }),
  };
}
