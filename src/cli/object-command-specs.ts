import type { CommandSpec } from './command-spec.ts';
import type { Command } from './io.ts';
import {
  admission,
  allNamespaces,
  filename,
  identity,
  namespace,
  type Option,
  objectOutput,
} from './options.ts';

const objectCommand =
  (name: 'apply' | 'create' | 'get' | 'delete' | 'auth') => async (): Promise<Command> => {
    const { OBJECT_COMMANDS } = await import('./object-commands.ts');
    return { run: async (args, io) => OBJECT_COMMANDS[name](args, io) };
  };

const dryRun: Option = {
  type: 'string',
  describe: 'only say what would be stored',
  choices: ['none', 'client'],
  default: 'none',
};

/** The commands about objects that are stored, kubectl's. */
export const OBJECT_COMMAND_SPECS: Readonly<Record<string, CommandSpec>> = {
  create: {
    describe: 'store policies, ConfigMaps, Services and so on, from a file or from flags, as kubectl does',
    positionals: [
      {
        name: 'object',
        describe: 'namespace, clusterrole, role, clusterrolebinding or rolebinding, and its NAME',
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
      'dry-run': dryRun,
      output: objectOutput,
      ...identity,
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
  apply: {
    describe: 'store what a file has, or change what is stored to what it has; for pods that run, too',
    positionals: [],
    options: { filename, namespace, 'dry-run': dryRun, output: objectOutput, ...identity },
    examples: [
      ['podspace apply -f network-policies.yaml', 'who may talk to whom from now on'],
      ['podspace apply -f settings.yaml', 'a ConfigMap: volumes of pods that run have it at once'],
    ],
    load: objectCommand('apply'),
  },
  get: {
    describe: 'list stored policies, ConfigMaps, Services and so on',
    positionals: [
      {
        name: 'object',
        describe: 'TYPE and perhaps NAMEs, or TYPE/NAME: psp default',
        required: true,
        variadic: true,
      },
    ],
    options: { namespace, 'all-namespaces': allNamespaces, output: objectOutput, ...identity },
    examples: [
      ['podspace get psp', ''],
      ['podspace get clusterrolebinding psp-all -o yaml', ''],
    ],
    load: objectCommand('get'),
  },
  delete: {
    describe: 'remove stored policies, ConfigMaps, Services and so on',
    positionals: [
      {
        name: 'object',
        describe: 'TYPE and NAMEs, or TYPE/NAME: psp default',
        required: false,
        variadic: true,
      },
    ],
    options: { filename, namespace, ...identity },
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
};
