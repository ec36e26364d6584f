import type { CapabilityName } from '../linux/capabilities.ts';

/** What the machine itself contributes to a container's security settings. */
export interface SecurityFacts {
  /** The runtime's own bounding set: nobody can be given more. */
  readonly capabilities: readonly CapabilityName[];
  /** CPUs that have a thermal_throttle directory in sysfs. */
  readonly thermalThrottleCpus: readonly number[];
}
