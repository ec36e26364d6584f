import { DEFAULT_POD_CIDR } from '../network/pod-cidr.ts';
export interface Option {
  /** `strings` can be given several times. */
  readonly type: 'string' | 'boolean' | 'strings';
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
  /** The last one can take all words that are left. */
  readonly variadic?: boolean;
  readonly choices?: readonly string[];
}

/** Options and arguments that several commands have. */
export const FILE: Positional = {
  name: 'file',
  describe: 'YAML or JSON manifest, "-" for standard input',
  required: false,
};
export const POD: Positional = {
  name: 'pod',
  describe: 'name of a running pod (NAME, NAMESPACE/NAME or pod/NAME)',
  required: true,
};
export const FORWARDED_PORT: Positional = {
  name: 'port',
  describe: 'REMOTE, LOCAL:REMOTE, or :REMOTE for any local port; REMOTE is a number or a port’s name',
  required: true,
  variadic: true,
};
export const container: Option = {
  type: 'string',
  alias: 'c',
  describe: 'container of the pod; the first one by default',
};
export const output: Option = { type: 'string', alias: 'o', describe: 'output format', choices: ['json'] };
export const filename: Option = {
  type: 'string',
  alias: 'f',
  describe: 'the manifest, as with kubectl',
};
export const validate: Option = {
  type: 'string',
  describe: 'what to do with fields that are unknown or not supported',
  choices: ['strict', 'warn', 'ignore'],
  default: 'strict',
};

export const namespace: Option = { type: 'string', alias: 'n', describe: 'namespace; default by default' };
export const allNamespaces: Option = { type: 'boolean', alias: 'A', describe: 'of all namespaces' };
export const objectOutput: Option = {
  type: 'string',
  alias: 'o',
  describe: 'output format: json, yaml, name or jsonpath=TEMPLATE',
};
export const tableOutput: Option = {
  ...objectOutput,
  describe: 'output format: wide, json, yaml, name, jsonpath=TEMPLATE or custom-columns=HEADER:PATH,…',
};
/** Files of objects: several, and directories of them. */
export const filenames: Readonly<Record<string, Option>> = {
  filename: {
    type: 'strings',
    alias: 'f',
    describe: 'file or directory of objects, "-" for standard input; can be given several times',
  },
  recursive: { type: 'boolean', alias: 'R', describe: 'directories with all below them' },
};
export const selectors: Readonly<Record<string, Option>> = {
  selector: {
    type: 'string',
    alias: 'l',
    describe: 'only objects with such labels: app=web,tier in (a,b),!old',
  },
  'field-selector': { type: 'string', describe: 'only objects with such fields: status.phase=Running' },
};

/** A kubelet's flags. */
export const seccomp: Readonly<Record<string, Option>> = {
  'seccomp-default': {
    type: 'boolean',
    describe: 'seccompProfile RuntimeDefault for pods that say nothing, as with a kubelet',
  },
  'seccomp-profile-root': {
    type: 'string',
    describe: 'directory of Localhost seccomp profiles, instead of /var/lib/podspace/seccomp',
  },
};

/** Who asks, as with kubectl, and what decides. */
export const identity: Readonly<Record<string, Option>> = {
  as: {
    type: 'string',
    describe: 'user to act as; root is a member of system:masters, who may use any policy',
  },
  'as-group': { type: 'strings', describe: 'group of that user; can be given several times' },
};
export const admission: Readonly<Record<string, Option>> = {
  ...identity,
  policy: {
    type: 'string',
    describe: 'file or directory of policies, roles, bindings, Services and namespaces',
  },
};

/** A kubelet's flag, and whether there is a network at all. */
export const network: Readonly<Record<string, Option>> = {
  network: {
    type: 'string',
    describe: 'what pods get that do not have the host’s: an address and a link to the node, or just lo',
    choices: ['pod', 'none'],
    default: 'pod',
  },
  'pod-cidr': {
    type: 'string',
    describe: 'range of the pods’ addresses, as with a kubelet; with a comma one of IPv4 and one of IPv6',
    default: DEFAULT_POD_CIDR,
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

export const insecureRegistry: Option = {
  type: 'strings',
  describe: 'registry (HOST or HOST:PORT) that is asked by plain HTTP; can be given several times',
};

/** What running the pods of a manifest can be told. */
export const running: Readonly<Record<string, Option>> = {
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
  'insecure-registry': insecureRegistry,
  ...network,
  ...seccomp,
  'allowed-unsafe-sysctls': {
    type: 'string',
    describe: 'sysctls a pod may set beside the safe ones: kernel.msg*,net.core.somaxconn',
  },
  ...admission,
  validate,
};
