import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentApi } from '../../../src/agent/api/start.ts';
import type { PodBackend } from '../../../src/agent/backend.ts';
import type { ApiObject } from '../../../src/agent/objects.ts';
import { Registry } from '../../../src/agent/registry.ts';
import type { PodStatus } from '../../../src/kube/types.generated.ts';
import { rootsAt } from '../../../src/oci/pod-paths.ts';
import { command, type Printed } from './command.ts';

/** An agent whose pods do nothing: what the manager would say of them, a test says. */
export interface FakeAgent {
  readonly registry: Registry;
  readonly root: string;
  readonly run: (...words: readonly string[]) => Promise<Printed>;
  /** A file with this text, by its path. */
  readonly file: (name: string, text: string) => string;
  readonly pod: (name: string, namespace?: string) => ApiObject;
  readonly setStatus: (name: string, status: PodStatus) => void;
}

interface Test {
  readonly teardown: typeof import('tap').default.teardown;
}

/** The registry and the API of an agent on a root of its own; a deleted pod has ended at once unless `keepsPods`. */
export async function fakeAgent(
  t: Test,
  {
    keepsPods = false,
    attach,
  }: { readonly keepsPods?: boolean; readonly attach?: PodBackend['attach'] } = {},
): Promise<FakeAgent> {
  // A socket's path has 107 bytes.
  const root = mkdtempSync(join(tmpdir(), 'ps-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const roots = rootsAt(root);
  const registry = await Registry.open(roots);
  const api = await AgentApi.start({
    roots,
    registry,
    backend: { attach: attach ?? (() => Promise.reject(new Error('nothing runs here'))) },
  });
  t.teardown(() => {
    api.close();
    registry.close();
  });
  registry.watch('Pod', undefined, ({ object: { metadata } }) => {
    if (metadata.deletionTimestamp !== undefined && !keepsPods)
      setImmediate(() => registry.removed(metadata.uid ?? ''));
  });
  const pod = (name: string, namespace = 'default'): ApiObject => {
    const found = registry.get('Pod', namespace, name);
    if (found === undefined) throw new Error(`no pod ${name}`);
    return found;
  };
  return {
    registry,
    root,
    run: (...words) => command(words, { root }),
    file: (name, text) => {
      writeFileSync(join(root, name), text);
      return join(root, name);
    },
    pod,
    setStatus: (name, status) => registry.setPodStatus(pod(name).metadata.uid ?? '', status),
  };
}
