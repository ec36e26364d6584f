import { readFileSync } from 'node:fs';

/** What kubectl makes of a command line: see the head of kubectl.txt. */
export interface Golden {
  /** As written: `create role x --verb=get`. */
  readonly command: string;
  readonly names: readonly string[];
  /** `--resource-name=a` is `resourceName: ['a']`. */
  readonly flags: Readonly<Record<string, readonly string[]>>;
  readonly stdout: Readonly<Record<string, unknown>> | undefined;
  /** Lines. */
  readonly stderr: readonly string[];
}

/** The recorded commands that begin with some words, which are left out of `names`. */
export function goldens(start: string): readonly Golden[] {
  const text = readFileSync('test/unit/admission/rbac/kubectl.txt', 'utf8');
  return text
    .split('\n$ ')
    .slice(1)
    .map(block => block.trim().split('\n'))
    .filter(([command = '']) => command === start || command.startsWith(`${start} `))
    .map(([command = '', ...lines]) => {
      const words = command
        .slice(start.length)
        .split(' ')
        .filter(word => word !== '')
        .map(word => word.replaceAll("'", ''));
      const flags: Record<string, string[]> = {};
      for (const word of words.filter(isFlag)) {
        const [, name = '', value = ''] = /^--?([\w-]+)=?(.*)$/s.exec(word) ?? [];
        const key = name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
        flags[key] = [...(flags[key] ?? []), value];
      }
      const json = lines.find(line => line.startsWith('{'));
      return {
        command,
        names: words.filter(word => !isFlag(word)),
        flags,
        stdout: json === undefined ? undefined : (JSON.parse(json) as Readonly<Record<string, unknown>>),
        stderr: lines.filter(line => line !== json),
      };
    });
}

const isFlag = (word: string): boolean => word.startsWith('-');
