/** What a container takes from its image: the OCI image-spec's `config`, each field filled in. */
export interface ImageDefaults {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  /** Paths that are to be volumes. */
  readonly volumes: readonly string[];
}
