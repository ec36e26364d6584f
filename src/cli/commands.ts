import { DEFAULT_DETACH_KEYS } from './detach-keys.ts';
import type { Command } from './io.ts';

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly alias?: string;
  readonly describe: string;
  readonly choices?: readonly string[];
  readonly default?: string;
  /** "" is a value too. */
  readonly canBeEmpty?: boolean;
}

export interface Positional {
  readonly name: string;
  readonly describe: string;
  readonly required: boolean;
  readonly choices?: readonly string[];
  /** The last one, of which there may be any number. */
  readonly repeats?: true;
}

export interface CommandSpec {
  readonly describe: string;
  readonly positionals: readonly Positional[];
  readonly options: Readonly<Record<string, Option>>;
  /** Takes a command line after `--`. */
  readonly takesRest?: 'optional' | 'required';
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly load: () => Promise<Command>;
}

const FILE: Positional = {
  name: 'file',
  describe: 'YAML or JSON manifest, "-" for standard input',
  required: false,
};
const POD: Positional = {
  name: 'pod',
  describe: 'name of a running pod (NAME or NAMESPACE/NAME)',
  required: true,
};
const container: Option = {
  type: 'string',
  alias: 'c',
  describe: 'container of the pod; the first one by default',
};
const output: Option = { type: 'string', alias: 'o', describe: 'output format', choices: ['json'] };
const filename: Option = {
  type: 'string',
  alias: 'f',
  describe: 'the manifest, as with kubectl',
};
const validate: Option = {
  type: 'string',
  describe: 'what to do with fields that are unknown or not supported',
  choices: ['strict', 'warn', 'ignore'],
  default: 'strict',
};

/** A kubelet's flags. */
const seccomp: Readonly<Record<string, Option>> = {
  'seccomp-default': {
    type: 'boolean',
    describe: 'seccompProfile RuntimeDefault for pods that say nothing, as with a kubelet',
  },
  'seccomp-profile-root': {
    type: 'string',
    describe: 'directory of Localhost seccomp profiles, instead of /var/lib/podspace/seccomp',
  },
};

/** Options of every command. */
export const GLOBAL_OPTIONS: Readonly<Record<string, Option>> = {
  root: {
    type: 'string',
    describe: 'directory for all state, instead of /run/podspace and /var/lib/podspace',
  },
  color: { type: 'boolean', describe: 'colours on a terminal; --no-color turns them off' },
  verbose: { type: 'boolean', alias: 'v', describe: 'more about what happens' },
};

/** What running the pods of a manifest can be told. */
const running: Readonly<Record<string, Option>> = {
  filename,
  container: { ...container, describe: 'container that -i, -t and the command after -- are for' },
  stdin: { type: 'boolean', alias: 'i', describe: 'connect standard input' },
  tty: { type: 'boolean', alias: 't', describe: 'give the container a terminal' },
  timeout: {
    type: 'string',
    describe: 'end the pod after this time, 30s or 1m30s for example (exit code 124)',
  },
  'pod-max-pids': {
    type: 'string',
    describe: 'how many processes a pod can have at a time, as with a kubelet',
  },
  ...seccomp,
  'allowed-unsafe-sysctls': {
    type: 'string',
    describe: 'sysctls a pod may set beside the safe ones: kernel.msg*,net.core.somaxconn',
  },
  validate,
};

/** Every command of podspace: the parser, the help texts and the shell completion are made from this table. */
export const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  run: {
    describe: 'run the pods of a manifest and wait for them',
    positionals: [FILE],
    options: {
      ...running,
      rm: { type: 'boolean', describe: 'accepted for habit: nothing is ever left behind' },
      trace: {
        type: 'boolean',
        describe: 'print the system calls that were made, with results and microseconds',
      },
      audit: {
        type: 'boolean',
        describe:
          'say at the end what each container used, and suggest a securityContext (see podspace audit)',
      },
      output: { ...output, describe: 'print one object at the end instead of the output' },
    },
    takesRest: 'optional',
    examples: [
      ['podspace run pod.yaml', 'run a pod, see its output, exit with its exit code'],
      ['podspace run -it pod.yaml -- sh', 'a shell in the first container'],
      ['podspace run pod.yaml -o json | jq .containers[0].exitCode', 'the result for a program'],
    ],
    load: () => import('./run.ts'),
  },
  audit: {
    describe: 'run the pods of a manifest, and say what they used of what they were given',
    positionals: [FILE],
    options: {
      ...running,
      timeout: {
        type: 'string',
        describe: 'end the pod after this time, 30s or 1m30s for example, and report',
      },
      output,
    },
    takesRest: 'optional',
    examples: [
      ['podspace audit pod.yaml', 'system calls, capabilities, written directories, and a securityContext'],
      ['podspace audit server.yaml --timeout 30s', 'what a server used in half a minute'],
    ],
    load: () => import('./audit.ts'),
  },
  compile: {
    describe: 'print a stage of the pipeline, without running anything',
    positionals: [FILE],
    options: {
      filename,
      emit: {
        type: 'string',
        describe: 'which stage',
        choices: ['pod', 'security', 'oci', 'program'],
        default: 'program',
      },
      container,
      ...seccomp,
      validate,
    },
    examples: [
      ['podspace compile pod.yaml --emit=program', 'the system calls that would be made'],
      ['podspace compile pod.yaml --emit=oci', 'the OCI runtime config of each container'],
    ],
    load: () => import('./compile.ts'),
  },
  explain: {
    describe: 'say in words what each setting of a pod does',
    positionals: [FILE],
    options: { filename, ...seccomp, validate },
    examples: [['podspace explain pod.yaml', 'namespaces, identity, capabilities, mounts, and surprises']],
    load: () => import('./explain.ts'),
  },
  exec: {
    describe: 'run a command in a container of a running pod',
    positionals: [POD],
    options: {
      container,
      stdin: { type: 'boolean', alias: 'i', describe: 'connect standard input' },
      tty: { type: 'boolean', alias: 't', describe: 'a terminal' },
      'detach-keys': {
        type: 'string',
        describe: 'keys that leave the command running, with -it on a terminal; "" for none',
        default: DEFAULT_DETACH_KEYS,
        canBeEmpty: true,
      },
    },
    takesRest: 'required',
    examples: [['podspace exec web -it -- sh', 'a shell beside the container’s process']],
    load: () => import('./exec.ts'),
  },
  'port-forward': {
    describe: 'forward local ports to a running pod, until Ctrl-C or its end',
    positionals: [
      POD,
      {
        name: 'port',
        describe: 'REMOTE, LOCAL:REMOTE, or :REMOTE for any local port; REMOTE is a number or a port’s name',
        required: true,
        repeats: true,
      },
    ],
    options: {
      address: {
        type: 'string',
        describe:
          'local addresses to listen on, with commas between: IP addresses, or localhost for both of its',
        default: 'localhost',
      },
    },
    examples: [
      ['podspace port-forward web 8080:80', 'port 80 of the pod is http://localhost:8080'],
      ['podspace port-forward web :5432 --address 127.0.0.1', 'any free local port, which is printed'],
    ],
    load: () => import('./port-forward.ts'),
  },
  ps: {
    describe: 'list running pods, or every process of one',
    positionals: [{ ...POD, required: false }],
    options: { output },
    examples: [['podspace ps web', 'host and container PIDs, users, capabilities']],
    load: () => import('./ps.ts'),
  },
  inspect: {
    describe: 'show the namespaces, identity and mounts of a running pod, read live from the kernel',
    positionals: [POD],
    options: { output },
    examples: [['podspace inspect web', 'which namespace is the host’s, the pod’s or the container’s own']],
    load: () => import('./inspect.ts'),
  },
  image: {
    describe: 'list, import and remove local images: ls | import NAME DIR|TAR | rm NAME',
    positionals: [
      { name: 'action', describe: 'what to do', required: true, choices: ['ls', 'import', 'rm'] },
      { name: 'name', describe: 'name of the image', required: false },
      {
        name: 'source',
        describe: 'directory or tar archive of the root filesystem; "-" for a tar on standard input',
        required: false,
      },
    ],
    options: {
      config: { type: 'string', describe: 'OCI image config (JSON) for import' },
      output,
    },
    examples: [['podspace image import localhost/app ./rootfs', 'make an image from a directory']],
    load: () => import('./image.ts'),
  },
  doctor: {
    describe: 'say what this machine offers, and what each lack means',
    positionals: [],
    options: { output },
    examples: [['podspace doctor', '']],
    load: () => import('./doctor.ts'),
  },
  gc: {
    describe: 'remove what killed podspace commands have left behind',
    positionals: [],
    options: { 'dry-run': { type: 'boolean', describe: 'only say what would be removed' } },
    examples: [['podspace gc', '']],
    load: () => import('./gc.ts'),
  },
};
