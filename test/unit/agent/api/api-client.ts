import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type RequestOptions, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentApi } from '../../../../src/agent/api/start.ts';
import type { PodBackend } from '../../../../src/agent/backend.ts';
import type { ApiObject } from '../../../../src/agent/objects.ts';
import { Registry } from '../../../../src/agent/registry.ts';
import { agentSocket } from '../../../../src/agent/start.ts';
import { rootsAt } from '../../../../src/oci/pod-paths.ts';

type Test = typeof import('tap').default;

export interface Answer {
  readonly code: number;
  readonly body: Readonly<Record<string, unknown>> & { readonly items?: readonly ApiObject[] };
  readonly warnings: readonly string[];
  readonly text: string;
}

export interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

/** An API on a socket of its own, and how to ask it. A socket's path is short: it cannot be below the test's directory. */
export async function startApi(t: Pick<Test, 'teardown'>, attach?: PodBackend['attach']) {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-api-'));
  const roots = rootsAt(directory);
  const registry = await Registry.open(roots);
  const backend = { attach: attach ?? (() => Promise.reject(new Error('there is no manager'))) };
  const logged: string[] = [];
  const take = (fields: object, message: string): void =>
    void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log = { info: take, warn: take, error: take, debug: () => {} };
  const api = await AgentApi.start({ roots, registry, backend, log });
  t.teardown(() => {
    api.close();
    registry.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const open = (
    method: string,
    path: string,
    { body, headers = {} }: Asked = {},
    more: RequestOptions = {},
  ) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const bytes = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const asked = request({
        socketPath: agentSocket(roots),
        agent: false,
        method,
        path,
        headers: {
          ...(bytes === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': bytes.length }),
          ...headers,
        } as Record<string, string>,
        ...more,
      });
      asked.on('response', resolve).on('error', reject);
      asked.end(bytes);
    });
  const ask = async (
    method: string,
    path: string,
    asked: Asked = {},
    more?: RequestOptions,
  ): Promise<Answer> => {
    const response = await open(method, path, asked, more);
    const text = await textOf(response);
    const isJson = response.headers['content-type']?.startsWith('application/json') === true;
    return {
      code: response.statusCode ?? 0,
      text,
      body: isJson ? (JSON.parse(text) as Answer['body']) : {},
      warnings: response.headersDistinct.warning ?? [],
    };
  };
  return { roots, registry, api, ask, open, logged };
}

export const PODS = '/api/v1/namespaces/default/pods';
export const MAPS = '/api/v1/namespaces/default/configmaps';

export const pod = (name: string, spec: object = {}, metadata: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'main', image: 'busybox' }], ...spec },
});
export const configMap = (name: string, data: object = {}, metadata: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...metadata },
  data,
});

export async function until(condition: () => boolean): Promise<boolean> {
  for (let i = 0; i < 400 && !condition(); i++) await new Promise(resolve => setTimeout(resolve, 10));
  return condition();
}
