import type { ServerResponse } from 'node:http';
import { UserError } from '../../base/errors.ts';
import { ApiError, type Status } from '../api-error.ts';
import type { Log } from './log.ts';

export interface Reply {
  readonly code: number;
  readonly body: object;
  readonly contentType?: string;
}

/** `299 - "text"`, as RFC 7234 has it; what would end the header is left out. */
function warningHeader(text: string): string {
  const plain = text.replace(/[^\x20-\x7e\u00a0-\u00ff]/g, ' ').slice(0, 4096);
  return `299 - "${plain.replace(/[\\"]/g, '\\$&')}"`;
}

/** Sends an object, with what the user is to be told beside it. */
export function sendReply(
  response: ServerResponse,
  { code, body, contentType = 'application/json' }: Reply,
  warnings: readonly string[] = [],
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  response.statusCode = code;
  response.setHeader('Content-Type', contentType);
  response.setHeader('Content-Length', bytes.length);
  response.setHeader('Cache-Control', 'no-cache, private');
  const texts = [...new Set(warnings)].slice(0, 100);
  if (texts.length > 0) response.setHeader('Warning', texts.map(warningHeader));
  response.end(bytes);
}

export function sendText(
  response: ServerResponse,
  code: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  response.writeHead(code, { 'Content-Type': contentType, 'X-Content-Type-Options': 'nosniff' });
  response.end(text);
}

/** What is answered for something that was thrown. What nobody has foreseen is logged, and says no more than that. */
export function statusOf(error: unknown, log: Log): Status {
  if (error instanceof ApiError) return error.status;
  if (error instanceof UserError)
    return new ApiError('InternalError', `Internal error occurred: ${error.message}`).status;
  log.error({ stack: error instanceof Error ? error.stack : String(error) }, 'a request failed');
  return new ApiError('InternalError', 'Internal error occurred').status;
}
