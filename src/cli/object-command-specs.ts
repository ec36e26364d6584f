import type { CommandSpec } from './command-spec.ts';
import type { Command } from './io.ts';
import {
  admission,
  allNamespaces,
  filenames,
  identity,
  namespace,
  type Option,
  objectOutput,
  selectors,
  tableOutput,
  validate,
} from './options.ts';

const objectCommand =
  (name: 'apply' | 'create' | 'replace' | 'get' | 'delete' | 'auth') => async (): Promise<Command> => {
    const { OBJECT_COMMANDS } = await import('./object-commands.ts');
    return { run: async (args, io) => OBJECT_COMMANDS[name](args, io) };
  };

const dryRun: Option = {
  type: 'string',
  describe: 'only say what would be done; with server what the agent would make of it',
  choices: ['none', 'client', 'server'],
  default: 'none',
};
const watch: Readonly<Record<string, Option>> = {
  watch: { type: 'boolean', alias: 'w', describe: 'go on with each change' },
  'watch-only': { type: 'boolean', describe: 'changes without what there is now' },
};
const headers: Option = {
  type: 'boolean',
  describe: 'the line of headers above the rows; --no-headers leaves it out',
};
const force: Option = { type: 'boolean', describe: 'at once, without a grace period' };

/** The commands about objects that are stored, kubectl's. */
export const OBJECT_COMMAND_SPECS: Readonly<Record<string, CommandSpec>> = {
  create: {
    describe: 'make pods, ConfigMaps, policies and so on, from a file or from flags, as kubectl does',
    positionals: [
      {
        name: 'object',
        describe: 'namespace, clusterrole, role, clusterrolebinding or rolebinding, and its NAME',
        required: false,
        variadic: true,
      },
    ],
    options: {
      ...filenames,
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
      validate,
      ...identity,
    },
    examples: [
      ['podspace create -f pod.yaml', 'a pod that outlives the command'],
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
    describe: 'make what a file has, or change what is there to what it has',
    positionals: [],
    options: { ...filenames, namespace, 'dry-run': dryRun, output: objectOutput, validate, ...identity },
    examples: [
      ['podspace apply -f pod.yaml', 'a pod that outlives the command'],
      ['podspace apply -f network-policies.yaml', 'who may talk to whom from now on'],
      ['podspace apply -f settings.yaml', 'a ConfigMap: volumes of pods that run have it at once'],
    ],
    load: objectCommand('apply'),
  },
  replace: {
    describe: 'make objects that are there what a file has, and nothing else',
    positionals: [],
    options: {
      ...filenames,
      namespace,
      force: { ...force, describe: 'delete the objects at once, and make them anew' },
      'dry-run': dryRun,
      output: objectOutput,
      validate,
      ...identity,
    },
    examples: [['podspace replace -f pod.yaml --force', 'another pod of the same name']],
    load: objectCommand('replace'),
  },
  get: {
    describe: 'list pods, ConfigMaps, policies, Services, events and so on',
    positionals: [
      {
        name: 'object',
        describe: 'TYPE and perhaps NAMEs, or TYPE/NAME: pods, psp default',
        required: true,
        variadic: true,
      },
    ],
    options: {
      namespace,
      'all-namespaces': allNamespaces,
      ...selectors,
      output: tableOutput,
      ...watch,
      'show-labels': { type: 'boolean', describe: 'a column of all labels' },
      'label-columns': { type: 'strings', alias: 'L', describe: 'labels that have a column: app,tier' },
      'show-kind': { type: 'boolean', describe: 'names with their kinds' },
      'sort-by': { type: 'string', describe: 'order by what a path finds: .metadata.creationTimestamp' },
      headers,
      'ignore-not-found': { type: 'boolean', describe: 'what is not there is no mistake' },
      ...identity,
    },
    examples: [
      ['podspace get pods', ''],
      ['podspace get pods -A -o wide', 'with addresses'],
      ['podspace get pod web -o jsonpath={.status.podIP}', ''],
      ['podspace get clusterrolebinding psp-all -o yaml', ''],
    ],
    load: objectCommand('get'),
  },
  delete: {
    describe: 'remove pods, ConfigMaps, policies, Services and so on',
    positionals: [
      {
        name: 'object',
        describe: 'TYPE and NAMEs, or TYPE/NAME: pod web, psp default',
        required: false,
        variadic: true,
      },
    ],
    options: {
      ...filenames,
      namespace,
      'all-namespaces': allNamespaces,
      ...selectors,
      all: { type: 'boolean', describe: 'every object of the type in the namespace' },
      'grace-period': {
        type: 'string',
        describe: 'seconds that pods have to end; -1 for their own',
        default: '-1',
      },
      now: { type: 'boolean', describe: 'one second for pods to end' },
      force,
      wait: { type: 'boolean', describe: 'until the objects have gone; --wait=false does not' },
      timeout: {
        type: 'string',
        describe: 'how long to wait, 30s say; 0s for as long as it takes',
        default: '0s',
      },
      'ignore-not-found': { type: 'boolean', describe: 'what is not there is no mistake' },
      'dry-run': dryRun,
      output: { type: 'string', alias: 'o', describe: 'output format', choices: ['name'] },
      ...identity,
    },
    examples: [
      ['podspace delete pod web', 'end it as it wants to be ended, and wait for that'],
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
