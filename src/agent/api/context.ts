import type { UserInfo } from '../../admission/user.ts';
import type { Roots } from '../../oci/pod-paths.ts';
import type { Access } from '../access.ts';
import type { PodBackend } from '../backend.ts';
import type { Registry } from '../registry.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** What all requests are answered from. */
export interface ApiContext {
  readonly roots: Roots;
  readonly registry: Registry;
  readonly access: Access;
  readonly backend: PodBackend;
  readonly log: Log;
  readonly metrics: Metrics;
  /** By path, on the agent's own socket. */
  readonly own: Readonly<Record<string, OwnPath>>;
}

/** Something of the agent's own that root can post to: takes the body, and gives what is answered. */
export type OwnPath = (body: unknown) => Promise<object>;

/** Who makes a change, and what he is to be told beside it. */
export interface Change {
  readonly user: UserInfo;
  readonly isDryRun: boolean;
  warn(message: string): void;
}
