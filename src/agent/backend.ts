/** The size of somebody's terminal. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Where what a container prints goes. False: nobody takes any more. */
export interface AttachStreams {
  onOutput(stream: 'stdout' | 'stderr', chunk: Buffer): boolean;
  /** The container has ended, with this exit code; undefined: it goes on, and tells nothing more. */
  onEnd(exitCode: number | undefined): void;
}

/** Somebody who is attached to a container. */
export interface AttachSession {
  readonly hasStdin: boolean;
  readonly isTerminal: boolean;
  /** Resolves when there is room for more. */
  write(chunk: Uint8Array): Promise<void>;
  /** Nothing more is written. */
  end(): void;
  resize(size: TerminalSize): void;
  /** Lets go of the container, which goes on. */
  close(): void;
}

/** What the API asks of pods that run; the pod manager does it. exec, port-forward and logs need nobody. */
export interface PodBackend {
  /** Throws a UserError where that cannot be. */
  attach(podUid: string, container: string, streams: AttachStreams): Promise<AttachSession>;
}
