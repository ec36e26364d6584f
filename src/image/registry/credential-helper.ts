import { execFile } from 'node:child_process';
import { errnoCode, UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import { parseObject } from '../manifest.ts';
import type { Credentials } from './credentials.ts';

/** Some ask a cloud, or a person. */
const TIMEOUT = 60_000;
const MAX_ANSWER = 1 << 20;

/** What Docker's own helpers say of a registry that they have nothing for (docker-credential-helpers, errors.go). */
const NOTHING = /credentials not found in native keychain|no credentials server URL|no credentials username/;

/** The user name that says that the secret is an identity token. */
export const TOKEN_USER = '<token>';

/**
 * Asks `docker-credential-NAME get` about a registry (github.com/docker/docker-credential-helpers): its name by standard input,
 * a JSON object back. `where` is the file that names the helper.
 */
export async function askHelper(
  name: string,
  registry: string,
  where: string,
): Promise<Credentials | undefined> {
  if (!/^[\w.-]+$/.test(name))
    throw new UserError(`${where}: ${JSON.stringify(printable(name))} is no credential helper`);
  const program = `docker-credential-${name}`;
  const { error, stdout, stderr } = await run(program, registry);
  if (errnoCode(error) === 'ENOENT') throw new UserError(`${where}: ${program} is not there`);
  if (error !== undefined) {
    if (NOTHING.test(stdout)) return undefined;
    const [line = ''] = `${stdout}\n${stderr}`.trim().split('\n');
    throw new UserError(`${program}: ${printable(line.slice(0, 200)) || 'it failed'}`, { cause: error });
  }
  const { Username, Secret } = parseObject(stdout, `answer of ${program}`);
  if (typeof Username !== 'string' || typeof Secret !== 'string')
    throw new UserError(`${program} gives no Username and Secret`);
  if (Username === '' && Secret === '') return undefined;
  return Username === TOKEN_USER
    ? { username: Username, identityToken: Secret }
    : { username: Username, password: Secret };
}

interface Ran {
  readonly error: Error | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, input: string): Promise<Ran> {
  return new Promise(resolve => {
    const options = { timeout: TIMEOUT, maxBuffer: MAX_ANSWER, killSignal: 'SIGKILL' } as const;
    const child = execFile(program, ['get'], options, (error, stdout, stderr) =>
      resolve({ error: error ?? undefined, stdout, stderr }),
    );
    // One that does not read what it is asked about says why in another way.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
