import { AGENT_COMMAND_SPECS } from './agent-command-specs.ts';
import type { CommandSpec } from './command-spec.ts';
import { DEFAULT_DETACH_KEYS } from './detach-keys.ts';
import { FILE_COMMAND_SPECS } from './file-command-specs.ts';
import { IMAGE_FORMS } from './image-forms.ts';
import { OBJECT_COMMAND_SPECS } from './object-command-specs.ts';
import {
  admission,
  container,
  FILE,
  FORWARDED_PORT,
  filename,
  identity,
  insecureRegistry,
  namespace,
  network,
  output,
  POD,
  running,
  seccomp,
  validate,
} from './options.ts';

export type { CommandSpec } from './command-spec.ts';
export type { Option, Positional } from './options.ts';
export { GLOBAL_OPTIONS } from './options.ts';

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
      namespace: { ...namespace, describe: 'namespace of the pod; any by default' },
      stdin: { type: 'boolean', alias: 'i', describe: 'connect standard input' },
      tty: { type: 'boolean', alias: 't', describe: 'a terminal' },
      'detach-keys': {
        type: 'string',
        describe: 'keys that leave the command running, with -it on a terminal; "" for none',
        default: DEFAULT_DETACH_KEYS,
        canBeEmpty: true,
      },
      ...identity,
    },
    takesRest: 'required',
    examples: [['podspace exec web -it -- sh', 'a shell beside the container’s process']],
    load: () => import('./exec.ts'),
  },
  ...FILE_COMMAND_SPECS,
  'port-forward': {
    describe: 'forward local ports to a running pod, until Ctrl-C or its end',
    positionals: [POD, FORWARDED_PORT],
    options: {
      address: {
        type: 'string',
        describe:
          'local addresses to listen on, with commas between: IP addresses, or localhost for both of its',
        default: 'localhost',
      },
      namespace: { ...namespace, describe: 'namespace of the pod; any by default' },
      ...identity,
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
    options: { output, ...identity },
    examples: [['podspace ps web', 'host and container PIDs, users, capabilities']],
    load: () => import('./ps.ts'),
  },
  inspect: {
    describe: 'show the namespaces, identity and mounts of a running pod, read live from the kernel',
    positionals: [POD],
    options: { output, ...identity },
    examples: [['podspace inspect web', 'which namespace is the host’s, the pod’s or the container’s own']],
    load: () => import('./inspect.ts'),
  },
  verify: {
    describe: 'ask the kernel whether a running pod is what its policy promised',
    positionals: [POD],
    options: { output, ...identity },
    examples: [
      ['podspace verify web', 'each rule of the deciding policy, and what /proc says; exit code 1 if not'],
    ],
    load: () => import('./verify.ts'),
  },
  net: {
    describe: 'who may talk to whom: a matrix of the running pods; test FROM TO:PORT; policy explain FILE',
    positionals: [
      {
        name: 'action',
        describe: 'test FROM TO:PORT, or policy explain FILE',
        required: false,
        variadic: true,
      },
    ],
    options: {
      protocol: {
        type: 'string',
        describe: 'protocol of a test',
        choices: ['TCP', 'UDP', 'SCTP'],
        default: 'TCP',
      },
      output,
    },
    examples: [
      ['podspace net', 'addresses, ports, policies, and what each pod may reach'],
      ['podspace net test client web:80', 'which policy decides, proved by a real connection'],
      ['podspace net policy explain policies.yaml', 'network policies in sentences'],
    ],
    load: () => import('./net.ts'),
  },
  image: {
    describe: `keep the local images: ${Object.entries(IMAGE_FORMS)
      .map(each => each.join(' ').trim())
      .join(', ')}`,
    positionals: [
      { name: 'action', describe: 'what to do', required: true, choices: Object.keys(IMAGE_FORMS) },
      { name: 'name', describe: 'name of the image, or registry for login and logout', required: false },
      {
        name: 'source',
        describe:
          'import: a root filesystem (directory or tar), an OCI layout (directory or tar) or a docker save archive, "-" for standard input; export: the file; tag: the new name',
        required: false,
      },
    ],
    options: {
      config: { type: 'string', describe: 'OCI image config (JSON) for an imported root filesystem' },
      platform: {
        type: 'string',
        describe: 'of an image for several: linux/arm64, say; this machine’s without',
      },
      'insecure-registry': insecureRegistry,
      username: {
        type: 'string',
        alias: 'u',
        describe: 'login: user of the registry; the password is read from standard input',
      },
      all: { type: 'boolean', describe: 'prune: every image that no running pod has' },
      output,
    },
    examples: [
      ['podspace image import localhost/app ./rootfs', 'make an image from a directory'],
      ['docker save app | podspace image import -', 'take one over, with its name'],
      ['podspace image pull nginx', 'docker.io/library/nginx:latest, as on a node'],
      ['podspace image fsck', 'prove that the store is what it should be'],
    ],
    load: () => import('./image.ts'),
  },
  ...OBJECT_COMMAND_SPECS,
  ...AGENT_COMMAND_SPECS,
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
