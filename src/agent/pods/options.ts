import { UserError } from '../../base/errors.ts';
import { ImageStore } from '../../image/store.ts';
import type { Pod } from '../../kube/types.generated.ts';
import type { HostFacts } from '../../oci/host-facts.ts';
import type { Roots } from '../../oci/pod-paths.ts';
import type { DetachedOptions } from '../../runtime/detached.ts';
import { gatherHostFacts } from '../../runtime/host-facts.ts';
import { type LoggedPod, logDirectory } from '../../runtime/log-files.ts';
import type { NetworkSettings } from '../../runtime/pod-network.ts';
import { podObjects } from '../../runtime/pod-objects.ts';
import { type SeccompOptions, seccompSettings } from '../../runtime/seccomp.ts';

/** How the agent runs pods: as the kubelet's own options would be set. */
export interface AgentSettings {
  readonly network: NetworkSettings;
  readonly seccomp?: SeccompOptions;
  readonly podMaxPids?: number;
  readonly allowedUnsafeSysctls?: readonly string[];
  readonly insecureRegistries?: readonly string[];
}

/** Nothing of a pod's stands beside it: all that it refers to is stored. */
const NOTHING = { configMaps: [], secrets: [], claims: [] };

/** Milliseconds for which what is known of the machine is as good as new, for many pods at once. */
const FRESH = 5000;
let gathered: { readonly host: HostFacts; readonly at: number } | undefined;

/** The machine as it was a moment ago. */
export function hostFacts(): HostFacts {
  const now = performance.now();
  if (gathered === undefined || now - gathered.at > FRESH) gathered = { host: gatherHostFacts(), at: now };
  return gathered.host;
}

/** A pod as its logs are called. */
export function loggedPod({ metadata }: Pod): LoggedPod {
  const { namespace = 'default', name = '', uid = '' } = metadata ?? {};
  return { namespace, name, uid };
}

/** What one start of a pod needs; what it refers to is looked up each time it is asked for. */
export function detachedOptions(
  pod: Pod,
  roots: Roots,
  settings: AgentSettings,
  more: Pick<
    DetachedOptions,
    'observer' | 'signal' | 'killSignal' | 'startedAt' | 'onStates' | 'before' | 'known'
  >,
): DetachedOptions {
  return {
    pod,
    roots,
    logs: logDirectory(roots, loggedPod(pod)),
    // A damaged object is the container's trouble, when it comes to it.
    get objects() {
      try {
        return podObjects(roots, NOTHING, [pod]);
      } catch (error) {
        if (error instanceof UserError) return NOTHING;
        throw error;
      }
    },
    manifest: NOTHING,
    images: new ImageStore(roots.state),
    host: hostFacts(),
    network: settings.network,
    ...seccompSettings(roots, settings.seccomp ?? {}),
    ...(settings.podMaxPids === undefined ? {} : { podMaxPids: settings.podMaxPids }),
    allowedUnsafeSysctls: settings.allowedUnsafeSysctls ?? [],
    insecureRegistries: settings.insecureRegistries ?? [],
    ...more,
  };
}
