import { UserError } from '../base/errors.ts';
import type { Status, StatusCause } from './api-error.ts';

/** What the agent refuses, in the words in which kubectl tells it. */
export class ServerError extends UserError {
  readonly status: Status;

  /** `doing` is what was tried, `error when creating "pod.yaml"`. */
  constructor(status: Status, doing?: string) {
    const { message, label } = words(status, doing);
    super(message, { label });
    this.name = 'ServerError';
    this.status = status;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }

  /** The same with what was tried. */
  when(doing: string): ServerError {
    return new ServerError(this.status, doing);
  }
}

/** StandardErrorMessage of kubectl/pkg/cmd/util. */
function words(
  { reason = '', message = '', details = {} }: Status,
  doing: string | undefined,
): { readonly message: string; readonly label: string } {
  if (reason === 'Unauthorized')
    return { label: 'error:', message: 'You must be logged in to the server (Unauthorized)' };
  const { kind = '', name = '', causes = [] } = details;
  if (reason === 'Invalid' && kind !== '')
    return { label: '', message: `The ${kind} ${JSON.stringify(name)} is invalid${causeLines(causes)}` };
  const label = reason === '' ? 'Error from server:' : `Error from server (${reason}):`;
  return { label, message: doing === undefined ? message : `${doing}: ${message}` };
}

/** After a colon the only cause, or one on each line; doubled ones once. */
function causeLines(causes: readonly StatusCause[]): string {
  const texts = new Set(
    causes.map(({ field = '', message = '' }) => (field === '' ? message : `${field}: ${message}`)),
  );
  if (texts.size === 0) return '';
  return texts.size === 1 ? `: ${[...texts][0]}` : `: \n${[...texts].map(text => `* ${text}`).join('\n')}`;
}
