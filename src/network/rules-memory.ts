import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';

/** The rules that somebody put in force last. */
export interface KnownRules {
  /** The kernel's number of that change. If it has another one by now, somebody has changed rules since. */
  readonly generation: number;
  /** Names of the chains that say so in the table itself, see `applyState`. */
  readonly inForce: string;
  readonly leads: string;
  readonly text: string;
}

/** Where they are written down, so that the next change need not begin from nothing. What is lost costs time only. */
export interface RulesMemory {
  read(): KnownRules | undefined;
  write(rules: KnownRules | undefined): void;
}

/** Of this process alone. */
export function ownMemory(): RulesMemory {
  let known: KnownRules | undefined;
  return {
    read: () => known,
    write: rules => {
      known = rules;
    },
  };
}

/** A file, for all commands of the machine: a line with the rest, and the text. */
export function fileMemory(path: string): RulesMemory {
  const read = (): KnownRules | undefined => {
    const content = readFileSync(path, 'utf8');
    const [line = ''] = content.split('\n', 1);
    const [generation, inForce = '', leads = ''] = line.split(' ');
    return { generation: Number(generation), inForce, leads, text: content.slice(line.length + 1) };
  };
  const write = (rules: KnownRules | undefined): void => {
    if (rules === undefined) {
      unlinkSync(path);
      return;
    }
    const { generation, inForce, leads, text } = rules;
    writeFileSync(`${path}.new`, `${generation} ${inForce} ${leads}\n${text}`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  return { read: () => orNothing(read), write: rules => orNothing(() => write(rules)) };
}

/** The directory goes with the last pod, which may be at this moment. */
function orNothing<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
