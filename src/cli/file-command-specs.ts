import type { CommandSpec } from './command-spec.ts';
import { container, identity, POD } from './options.ts';

/** The commands about the files of a container that runs. */
export const FILE_COMMAND_SPECS: Readonly<Record<string, CommandSpec>> = {
  cp: {
    describe: 'copy files to or from a container of a running pod, which needs no tar for it',
    positionals: [
      {
        name: 'source',
        describe: '[NAMESPACE/]POD:PATH, a path of this machine, or - for a tar',
        required: true,
      },
      { name: 'target', describe: 'the other of the two', required: true },
    ],
    options: { container, ...identity },
    examples: [
      ['podspace cp web:/etc/hosts ./hosts', 'a file'],
      ['podspace cp ./site web:/srv', 'a directory; into /srv, if that is there'],
      ['podspace cp web:/var/log - | tar -t', 'a tar on standard output, or input'],
    ],
    load: () => import('./cp.ts'),
  },
  diff: {
    describe: 'list what a container of a running pod has changed in its root',
    positionals: [POD],
    options: { container, ...identity },
    examples: [['podspace diff web', 'A added, C changed, D deleted']],
    load: () => import('./diff.ts'),
  },
};
