/** What the API says of a container at one moment: v1.ContainerStatus, as far as the runtime knows it. */
export interface ContainerState {
  readonly name: string;
  readonly init: boolean;
  /** An init container with restartPolicy Always. */
  readonly sidecar: boolean;
  /** The number of the current attempt, or of the last one. */
  readonly restartCount: number;
  readonly state: Waiting | Running | Terminated;
  readonly lastState: Terminated | undefined;
  readonly started: boolean;
  readonly ready: boolean;
  readonly image: string;
  readonly imageId: string;
}

export interface Waiting {
  readonly is: 'waiting';
  readonly reason: string;
  readonly message: string | undefined;
}

export interface Running {
  readonly is: 'running';
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

export interface Terminated {
  readonly is: 'terminated';
  readonly reason: string;
  readonly message: string | undefined;
  readonly exitCode: number;
  readonly signal: number | undefined;
  /** Its probes had it ended: whether it is started again is not for its exit code to say. */
  readonly wasUnhealthy?: boolean;
  /** Milliseconds since the epoch; 0 for one that could not be started, as containerd has it. */
  readonly startedAt: number;
  readonly finishedAt: number;
}
