import type { Pod } from '../kube/types.generated.ts';
import type { RunPodOptions } from '../runtime/run-options.ts';
import type { Io } from './io.ts';

/** What watches the pods, and has the last word. */
export interface Auditor {
  /** Where the containers' output goes: stdout is its own if it wants that. */
  readonly takesStdout: boolean;
  onAudited(pod: Pod): NonNullable<RunPodOptions['onAudited']>;
  report(io: Io): void;
}
