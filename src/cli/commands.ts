import { DEFAULT_DETACH_KEYS } from './detach-keys.ts';
import type { Command } from './io.ts';
import {
  admission,
  allNamespaces,
  container,
  FILE,
  filename,
  namespace,
  network,
  type Option,
  objectOutput,
  output,
  POD,
  type Positional,
  running,
  seccomp,
  validate,
} from './options.ts';

export type { Option, Positional } from './options.ts';
export { GLOBAL_OPTIONS } from './options.ts';

export interface CommandSpec {
  readonly describe: string;
  readonly positionals: readonly Positional[];
  readonly options: Readonly<Record<string, Option>>;
  /** Takes a command line after `--`. */
  readonly takesRest?: 'optional' | 'required';
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly load: () => Promise<Command>;
}

const objectCommand = (name: 'create' | 'get' | 'delete' | 'auth') => async (): Promise<Command> => {
  const { OBJECT_COMMANDS } = await import('./object-commands.ts');
  return { run: async (args, io) => OBJECT_COMMANDS[name](args, io) };
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
      ...network,
      ...seccomp,
      ...admission,
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
    options: { filename, ...network, ...seccomp, ...admission, validate },
    examples: [['podspace explain pod.yaml', 'namespaces, identity, capabilities, mounts, and surprises']],
    load: () => import('./explain.ts'),
  },
  validate: {
    describe: 'say whether pods would be admitted, by which policy, and why not; runs nothing',
    positionals: [
      {
        name: 'file',
        describe: 'YAML or JSON manifests, "-" for standard input',
        required: false,
        variadic: true,
      },
    ],
    options: {
      filename,
      ...admission,
      level: {
        type: 'string',
        describe:
          'level of the Pod Security Standards to enforce in every namespace: restricted, baseline:v1.30',
      },
      output: { ...output, choices: ['json', 'sarif'] },
      validate,
    },
    examples: [
      ['podspace validate *.yaml --level restricted', 'exit code 1 if one would be denied'],
      ['podspace validate pod.yaml --policy policies/ --as bob', 'what bob may run, and what it becomes'],
      ['podspace validate pod.yaml -o sarif > pods.sarif', 'for a code host'],
    ],
    load: () => import('./validate.ts'),
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
  verify: {
    describe: 'ask the kernel whether a running pod is what its policy promised',
    positionals: [POD],
    options: { output },
    examples: [
      ['podspace verify web', 'each rule of the deciding policy, and what /proc says; exit code 1 if not'],
    ],
    load: () => import('./verify.ts'),
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
  create: {
    describe: 'store policies, roles, bindings and namespaces, from a file or from flags, as kubectl does',
    positionals: [
      {
        name: 'object',
        describe: 'clusterrole, role, clusterrolebinding or rolebinding, and its NAME',
        required: false,
        variadic: true,
      },
    ],
    options: {
      filename,
      namespace,
      verb: { type: 'strings', describe: 'verb of a role: use, get,list' },
      resource: { type: 'strings', describe: 'resource of a role: podsecuritypolicies' },
      'resource-name': { type: 'strings', describe: 'name of what a role is about' },
      'non-resource-url': { type: 'strings', describe: 'URL of a cluster role' },
      'aggregation-rule': { type: 'strings', describe: 'label of the cluster roles to combine' },
      clusterrole: { type: 'string', describe: 'cluster role that a binding gives' },
      role: { type: 'string', describe: 'role that a rolebinding gives' },
      user: { type: 'strings', describe: 'user that a binding is for' },
      group: { type: 'strings', describe: 'group that a binding is for' },
      serviceaccount: { type: 'strings', describe: 'service account that a binding is for, NAMESPACE:NAME' },
      'dry-run': {
        type: 'string',
        describe: 'only say what would be stored',
        choices: ['none', 'client'],
        default: 'none',
      },
      output: objectOutput,
    },
    examples: [
      ['podspace create -f policies.yaml', 'policies that decide from now on'],
      [
        'podspace create clusterrole psp-default --verb=use --resource=podsecuritypolicies --resource-name=default',
        'who has it may use the policy',
      ],
      [
        'podspace create clusterrolebinding psp-all --clusterrole=psp-default --group=system:authenticated',
        '',
      ],
    ],
    load: objectCommand('create'),
  },
  get: {
    describe: 'list stored policies, roles, bindings and namespaces',
    positionals: [
      { name: 'object', describe: 'TYPE and perhaps NAMEs, or TYPE/NAME: psp default', required: true, variadic: true },
    ],
    options: { namespace, 'all-namespaces': allNamespaces, output: objectOutput },
    examples: [
      ['podspace get psp', ''],
      ['podspace get clusterrolebinding psp-all -o yaml', ''],
    ],
    load: objectCommand('get'),
  },
  delete: {
    describe: 'remove stored policies, roles, bindings and namespaces',
    positionals: [
      { name: 'object', describe: 'TYPE and NAMEs, or TYPE/NAME: psp default', required: false, variadic: true },
    ],
    options: { filename, namespace },
    examples: [
      ['podspace delete psp default', ''],
      ['podspace delete -f policies.yaml', ''],
    ],
    load: objectCommand('delete'),
  },
  auth: {
    describe: 'say whether a user may do something: can-i VERB TYPE[/NAME]',
    positionals: [
      { name: 'question', describe: 'can-i, and what: use psp/default', required: true, variadic: true },
    ],
    options: {
      ...admission,
      namespace,
      'all-namespaces': allNamespaces,
      subresource: { type: 'string', describe: 'subresource that is asked about: log' },
      list: { type: 'boolean', describe: 'everything that the user may do' },
      quiet: { type: 'boolean', alias: 'q', describe: 'only the exit code' },
    },
    examples: [['podspace auth can-i use psp/default --as bob', 'yes or no; exit code 1 for no']],
    load: objectCommand('auth'),
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
