import type { Readable } from 'node:stream';
import type { StatusCause } from '../../api-error.ts';

/** How a command ended, as the client of exec and attach is told. */
export interface EndStatus {
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly StatusCause[] };
  readonly code?: number;
}

/** The other side of exec and attach, however its bytes come. */
export interface RemoteStreams {
  /** Undefined where the client has said that it sends nothing. */
  readonly stdin: Readable | undefined;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for more; undefined: there is. */
  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): Promise<void> | undefined;
  onResize(resize: (size: { readonly columns: number; readonly rows: number }) => void): void;
  /** The last word; then the connection is closed. */
  finish(status: EndStatus): void;
  /** Closes the connection at once, with all that waits to be read. */
  drop(): void;
}

export const SUCCESS: EndStatus = { status: 'Success' };

/** What the kubelet says of a command that ended with another code than 0. */
export function exitStatus(exitCode: number): EndStatus {
  if (exitCode === 0) return SUCCESS;
  return {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message: `command terminated with non-zero exit code: exit code ${exitCode}`,
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

export function failureStatus(message: string): EndStatus {
  return { status: 'Failure', reason: 'InternalError', message, code: 500 };
}
