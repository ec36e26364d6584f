import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { DialError, type DialFrom, dial, hostPort } from './dial.ts';
import {
  type Answer,
  codeName,
  codeOfHttp,
  decodeAnswer,
  decodeDescription,
  encodeCheck,
  MAX_MESSAGE,
} from './grpc-messages.ts';
import { KUBERNETES_VERSION } from './http-request.ts';
import { goDuration, type Limit, LimitReached, within } from './limit.ts';
import { failure, type Outcome, success } from './outcome.ts';

/** Asks a server of gRPC's health protocol, without TLS, as a kubelet does. */
export async function grpc(port: number, service: string, from: DialFrom, limit: Limit): Promise<Outcome> {
  const address = hostPort(from.podIP, port);
  const within_ = goDuration(limit.seconds ?? 0);
  const notConnected = (reason: string): Outcome =>
    failure(
      `error: failed to connect service at ${JSON.stringify(address)}: connection error: desc = ${reason}`,
    );
  let session: ClientHttp2Session | undefined;
  try {
    const socket = await dial(from, from.podIP, port, limit);
    session = await openSession(socket, address, limit);
  } catch (error) {
    if (error instanceof LimitReached)
      return failure(
        `timeout: failed to connect service ${JSON.stringify(address)} within ${within_}: context deadline exceeded`,
      );
    const { message } = error instanceof Error ? error : new Error(String(error));
    const stage =
      error instanceof DialError ? 'transport: Error while dialing' : 'error reading server preface';
    return notConnected(JSON.stringify(`${stage}: ${message}`));
  }
  try {
    return outcomeOf(await within(limit, check(session, service, limit.seconds)));
  } catch (error) {
    if (error instanceof LimitReached)
      return failure(`timeout: health rpc did not complete within ${within_}`);
    const { message } = error instanceof Error ? error : new Error(String(error));
    return outcomeOf({ code: 'Unavailable', description: message });
  } finally {
    session.destroy();
  }
}

function outcomeOf(answer: Answer): Outcome {
  if ('status' in answer)
    return answer.status === 'SERVING'
      ? success('service healthy')
      : failure(`service unhealthy (responded with ${JSON.stringify(answer.status)})`);
  const { code, description } = answer;
  if (code === 'Unimplemented')
    return failure(
      `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${description}`,
    );
  return failure(`error: health rpc probe failed: rpc error: code = ${code} desc = ${description}`);
}

/** Connected when the server has sent its settings: before that it may be anybody. */
async function openSession(socket: Socket, address: string, limit: Limit): Promise<ClientHttp2Session> {
  const { connect } = await import('node:http2');
  const session = connect(`http://${address}`, {
    createConnection: () => socket,
    settings: { enablePush: false, maxConcurrentStreams: 0 },
    // In megabytes. What Node keeps for one connection at most.
    maxSessionMemory: 1,
  });
  try {
    const ready = new Promise<void>((resolve, reject) => {
      session.once('remoteSettings', () => resolve());
      session.once('error', reject);
      session.once('close', () => reject(new Error('EOF')));
    });
    await within(limit, ready);
    // What goes wrong from here on ends the stream, too.
    session.on('error', () => {});
    return session;
  } catch (error) {
    session.on('error', () => {});
    session.destroy();
    socket.destroy();
    throw error;
  }
}

function check(session: ClientHttp2Session, service: string, seconds: number | undefined): Promise<Answer> {
  const stream = session.request(
    {
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      ':scheme': 'http',
      'content-type': 'application/grpc',
      'user-agent': `kube-probe/${KUBERNETES_VERSION}`,
      te: 'trailers',
      ...(seconds === undefined ? {} : { 'grpc-timeout': `${seconds}S` }),
    },
    { endStream: false },
  );
  const answer = readAnswer(stream);
  stream.end(encodeCheck(service));
  return answer;
}

/** The answer counts when the status after it says that all is well; an error has no answer before it. */
function readAnswer(stream: ClientHttp2Stream): Promise<Answer> {
  let bytes = Buffer.alloc(0);
  let refusal: Answer | undefined;
  let status: IncomingHttpHeaders | undefined;
  return new Promise((resolve, reject) => {
    stream.on('response', headers => {
      status = headers;
      refusal = refusalOf(headers[':status'] ?? 0, headers['content-type'] ?? '');
    });
    stream.on('trailers', headers => {
      status = headers;
    });
    stream.on('data', (chunk: Buffer) => {
      if (refusal !== undefined) return;
      // The longest that can be an answer, and one byte to see that it is none.
      bytes = Buffer.concat([bytes, chunk.subarray(0, Math.max(0, MAX_MESSAGE + 6 - bytes.length))]);
      const answer = decodeAnswer(bytes);
      if (answer !== undefined && 'code' in answer) resolve(answer);
    });
    stream.on('error', reject);
    stream.on('close', () => resolve(refusal ?? conclusion(status, decodeAnswer(bytes))));
  });
}

function refusalOf(status: number, contentType: string): Answer | undefined {
  if (status !== 200)
    return {
      code: codeOfHttp(status),
      description: `unexpected HTTP status code received from server: ${status}`,
    };
  if (/^application\/grpc($|[+;])/.test(contentType)) return undefined;
  return {
    code: 'Unknown',
    description: `received unexpected content-type ${JSON.stringify(contentType)}`,
  };
}

function conclusion(headers: IncomingHttpHeaders | undefined, answer: Answer | undefined): Answer {
  const word = headers?.['grpc-status'];
  if (word === undefined)
    return { code: 'Internal', description: 'server closed the stream without sending trailers' };
  const code = codeName(String(word));
  if (code !== 'OK') return { code, description: decodeDescription(String(headers?.['grpc-message'] ?? '')) };
  return answer ?? { code: 'Internal', description: 'cardinality violation: received no response message' };
}
