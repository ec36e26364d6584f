export { UserError as PodspaceError } from './base/errors.ts';
export type { CompiledContainer, PodOptions, RunOptions } from './library.ts';
export { compilePod, runPod } from './library.ts';
export type { OciConfig } from './oci/config.ts';
export type { ContainerResult, PodResult } from './runtime/pod-result.ts';
export type { EffectiveSecurityContext } from './security/effective.ts';
