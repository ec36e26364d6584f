import { once } from 'node:events';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ROOT_USER } from '../../admission/user.ts';
import { UserError } from '../../base/errors.ts';
import type { Roots } from '../../oci/pod-paths.ts';
import { gatherHostFacts } from '../../runtime/host-facts.ts';
import { Access } from '../access.ts';
import { ApiError } from '../api-error.ts';
import type { PodBackend } from '../backend.ts';
import { MachineObjects } from '../machine-objects.ts';
import { readPrivate, writePrivate } from '../private-file.ts';
import type { Registry } from '../registry.ts';
import { agentSocket } from '../start.ts';
import { serverTls } from '../tls/pki.ts';
import { Tokens } from '../tokens.ts';
import { bearerUser } from './authenticate.ts';
import type { OwnPath } from './context.ts';
import { DEFAULT_LISTEN, kubeconfig, kubeconfigRequest, type ListenAddress } from './kubeconfig.ts';
import { type Log, SILENT } from './log.ts';
import { Metrics } from './metrics.ts';
import { ApiServer } from './server.ts';

export interface ApiOptions {
  readonly roots: Roots;
  readonly registry: Registry;
  readonly backend: PodBackend;
  readonly log?: Log;
  /** More that can be posted to the agent's own socket, by root alone: `/podspace/stop`. */
  readonly own?: Readonly<Record<string, OwnPath>>;
  /** podspace's own. */
  readonly version?: string;
  /** A socket that listens already: systemd's. */
  readonly listenFd?: number;
}

/** The running API of an agent. */
export class AgentApi {
  readonly #roots: Roots;
  readonly #api: ApiServer;
  readonly #tokens: Tokens;
  readonly #log: Log;
  readonly #machine: MachineObjects;
  #hasOwnSocket = true;
  #tls: { readonly server: Server; readonly listen: ListenAddress; readonly authority: string } | undefined;

  private constructor({ roots, registry, backend, log = SILENT, own = {}, version = '' }: ApiOptions) {
    this.#roots = roots;
    this.#log = log;
    this.#machine = new MachineObjects(registry, gatherHostFacts(), version);
    this.#tokens = new Tokens(join(roots.state, 'agent', 'tokens.json'));
    this.#api = new ApiServer({
      roots,
      registry,
      backend,
      log,
      access: new Access(registry),
      metrics: new Metrics(registry),
      own: { ...own, '/podspace/kubeconfig': body => this.#kubeconfig(body) },
    });
  }

  /** Listens on the agent's socket, and where it was told to before. Throws a UserError. */
  static async start(options: ApiOptions): Promise<AgentApi> {
    const api = new AgentApi(options);
    await api.#listenLocally(options.listenFd);
    await api.#resume();
    return api;
  }

  /** The address of the TLS listener, if there is one. */
  get address(): ListenAddress | undefined {
    return this.#tls?.listen;
  }

  close(): void {
    this.#machine.close();
    this.#api.close();
    if (this.#hasOwnSocket) rmSync(agentSocket(this.#roots), { force: true });
  }

  /** Listens on an address of this machine with TLS, now and after every start; on another one before no longer. */
  async listen(listen: ListenAddress): Promise<ListenAddress> {
    const before = this.#tls;
    const isSame = before?.listen.host === listen.host && [0, before.listen.port].includes(listen.port);
    if (before !== undefined && isSame) return before.listen;
    const tls = serverTls(join(this.#roots.state, 'agent', 'pki'), listen.host);
    const server = this.#api.server(request => bearerUser(request, token => this.#tokens.find(token)), tls);
    const address = await listening(server, { host: listen.host, port: listen.port, exclusive: true });
    const at = { host: listen.host, port: (address as AddressInfo).port };
    writePrivate(this.#settings, `${JSON.stringify({ listen: at })}\n`);
    before?.server.close();
    before?.server.closeAllConnections();
    this.#tls = { server, listen: at, authority: tls.authority };
    this.#log.info({ ...at }, 'the API listens');
    return at;
  }

  get #settings(): string {
    return join(this.#roots.state, 'agent', 'listen.json');
  }

  async #listenLocally(fd: number | undefined): Promise<void> {
    const server = this.#api.server(() => ROOT_USER, undefined, true);
    if (fd !== undefined) {
      this.#hasOwnSocket = false;
      await listening(server, { fd });
      return;
    }
    const path = agentSocket(this.#roots);
    mkdirSync(this.#roots.run, { recursive: true, mode: 0o755 });
    // Whoever holds the agent's lock is the only one: what is there is left from one that was killed.
    rmSync(path, { force: true });
    const before = process.umask(0o177);
    try {
      await listening(server, { path });
    } finally {
      process.umask(before);
    }
    chmodSync(path, 0o600);
  }

  /** Where it listened before it listens again; a port that somebody else has now is no reason not to start. */
  async #resume(): Promise<void> {
    const text = readPrivate(this.#settings);
    if (text === undefined) return;
    try {
      await this.listen((JSON.parse(text) as { listen: ListenAddress }).listen);
    } catch (error) {
      this.#log.error({ error: (error as Error).message }, 'the API does not listen where it did');
    }
  }

  async #kubeconfig(body: unknown): Promise<object> {
    const { listen, user, groups, isRevoked } = kubeconfigRequest(body);
    if (isRevoked) return { revoked: this.#tokens.revoke(user) };
    const at = await this.listen(listen ?? this.#tls?.listen ?? DEFAULT_LISTEN).catch(error => {
      throw error instanceof UserError ? new ApiError('Conflict', error.message) : error;
    });
    const token = this.#tokens.create(user, groups);
    return kubeconfig(at, { user, token, authority: this.#tls?.authority ?? '' });
  }
}

/** Throws a UserError where that cannot be listened on. */
async function listening(server: Server, options: object): Promise<unknown> {
  server.listen(options);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new UserError(`cannot listen: ${(cause as Error).message}`, { cause });
  }
  return server.address();
}
