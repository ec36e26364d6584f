import type { ClientRequest, IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { errnoCode } from '../../base/errors.ts';
import { DialError, type DialFrom, dial, hostPort } from './dial.ts';
import { type HttpRequest, redirectOf, urlOf } from './http-request.ts';
import { type Limit, LimitReached, within } from './limit.ts';
import { failedToRun, failure, LimitedOutput, type Outcome, success, warning } from './outcome.ts';

/** Bytes of an answer's headers. */
const MAX_HEADERS = 64 << 10;

const AWAITING_HEADERS = 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
const READING_BODY = 'context deadline exceeded (Client.Timeout or context cancellation while reading body)';

/** What a client is told that speaks HTTPS to a server of HTTP. */
export const HTTP_TO_HTTPS = 'http: server gave HTTP response to HTTPS client';

/** What came of a request: the last answer of its redirects, or why there is none. */
export type Page =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  | { readonly kind: 'failed'; readonly message: string }
  /** An answer has begun, and never came to its end. */
  | { readonly kind: 'unfinished'; readonly message: string };

/** Gets a page as a kubelet does: certificates are not looked at, redirects are followed on the same host. */
export async function getPage(first: HttpRequest, from: DialFrom, limit: Limit): Promise<Page> {
  let request = first;
  for (let hops = 1; ; hops++) {
    const failed = (reason: string): Page => ({
      kind: 'failed',
      message: `Get ${JSON.stringify(urlOf(request))}: ${reason}`,
    });
    let exchange: Exchange;
    try {
      exchange = await send(request, from, limit);
    } catch (error) {
      if (error instanceof LimitReached) return failed(AWAITING_HEADERS);
      return failed(reasonOf(error, request));
    }
    try {
      const { statusCode: status = 0, headers } = exchange.response;
      const redirect = redirectOf(request, first, status, headers.location, hops);
      if (redirect?.kind === 'error') return failed(redirect.message);
      if (redirect?.kind === 'request') {
        request = redirect.request;
        continue;
      }
      return { kind: 'answer', status, body: await readBody(exchange.response, limit) };
    } catch (error) {
      const message = error instanceof LimitReached ? READING_BODY : reasonOf(error, request);
      return { kind: 'unfinished', message };
    } finally {
      exchange.close();
    }
  }
}

/** A probe: 200–399 is well; what is left of the 300s led to another host, or nowhere. */
export async function httpGet(request: HttpRequest, from: DialFrom, limit: Limit): Promise<Outcome> {
  const page = await getPage(request, from, limit);
  if (page.kind === 'failed') return failure(page.message);
  // The kubelet's client does not take this for the server's answer.
  if (page.kind === 'unfinished') return failedToRun(page.message, 'failure');
  const { status, body } = page;
  if (status < 200 || status >= 400) return failure(`HTTP probe failed with statuscode: ${status}`);
  return status < 300 ? success(body) : warning(body);
}

interface Exchange {
  readonly response: IncomingMessage;
  close(): void;
}

/** Sends the request, and waits for the headers of the answer. */
async function send(request: HttpRequest, from: DialFrom, limit: Limit): Promise<Exchange> {
  const plain = await dial(from, request.host, request.port, limit);
  // Errors are the request's to tell; a socket that is done with has nobody to tell them to.
  plain.on('error', () => {});
  const sent: { request?: ClientRequest } = {};
  const close = (): void => {
    sent.request?.destroy();
    plain.destroy();
  };
  try {
    const socket = request.scheme === 'https' ? await secure(plain, request.host, limit) : plain;
    const { request: start } = await import('node:http');
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      sent.request = start({
        createConnection: () => socket,
        path: request.path,
        headers: rawHeaders(request),
        maxHeaderSize: MAX_HEADERS,
        // Lines that end in LF alone are well for a kubelet: many a probed server is a few lines of shell. Nobody stands
        // between it and us who could read its answer in another way.
        insecureHTTPParser: true,
      });
      sent.request.on('response', resolve);
      sent.request.on('upgrade', resolve);
      sent.request.on('error', reject);
      sent.request.end();
    });
    return { response: await within(limit, response), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** In Node's flat form, which is sent as it is; text beyond ASCII as UTF-8. */
function rawHeaders({ host, port, scheme, hostHeader, headers }: HttpRequest): string[] {
  const address = hostPort(host, port);
  const isDefault = port === (scheme === 'https' ? 443 : 80);
  const own = hostHeader ?? (isDefault ? address.replace(/:\d+$/, '') : address);
  return [['Host', own] as const, ...headers].flatMap(([name, value]) => [
    name,
    Buffer.from(value).toString('latin1'),
  ]);
}

async function secure(socket: Socket, host: string, limit: Limit): Promise<Socket> {
  const { connect } = await import('node:tls');
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const made = connect({ socket, rejectUnauthorized: false, ...servername });
  made.on('error', () => {});
  try {
    await within(
      limit,
      new Promise<void>((resolve, reject) => {
        made.once('secureConnect', resolve);
        made.once('error', reject);
        made.once('close', () => reject(new Error('EOF')));
      }),
    );
    return made;
  } catch (error) {
    made.destroy();
    throw error;
  }
}

/** As much of it as is looked at. */
function readBody(response: IncomingMessage, limit: Limit): Promise<string> {
  const body = new LimitedOutput();
  const read = new Promise<string>((resolve, reject) => {
    response.on('data', (chunk: Buffer) => {
      body.push(chunk);
      if (body.isFull) resolve(body.text());
    });
    response.on('end', () => resolve(body.text()));
    response.on('error', reject);
    response.on('close', () => resolve(body.text()));
  });
  return within(limit, read);
}

/** Go's words for what Node found. */
function reasonOf(error: unknown, { scheme }: HttpRequest): string {
  if (error instanceof DialError) return error.message;
  const { message } = error instanceof Error ? error : new Error(String(error));
  const code = errnoCode(error) ?? '';
  if (code === 'HPE_HEADER_OVERFLOW')
    return `net/http: server response headers exceeded ${MAX_HEADERS} bytes; aborted`;
  if (code.startsWith('HPE_'))
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response (${message})`;
  if (code === 'ERR_INVALID_CHAR') return 'net/http: invalid header field value';
  if (code === 'ECONNRESET') return message.includes('hang up') ? 'EOF' : 'read: connection reset by peer';
  if (scheme === 'https' && /wrong version number|packet length too long/.test(message)) return HTTP_TO_HTTPS;
  return message;
}
