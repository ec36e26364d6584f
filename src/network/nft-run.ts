import { errnoCode, UserError } from '../base/errors.ts';
import { type NftResult, runLibnftables } from '../native/libnftables.ts';

type Run = (commands: string, check: boolean) => NftResult;

/**
 * Has nftables do commands in the network namespace of the calling thread, in one transaction: all of them or none. With
 * `check` the kernel is only asked. Returns what nft prints. Throws a UserError with nft's own words, or what to install.
 */
export function runNft(commands: string, check = false, run: Run = runAny): string {
  const { output, error } = run(commands, check);
  if (error === '') return output;
  throw new UserError(`nftables: ${firstError(error, commands)}`, {
    hint: /not supported/.test(error) ? 'does the kernel have nf_tables, nft_nat and nft_fib?' : undefined,
  });
}

const runAny: Run = (commands, check) => runLibnftables(commands, check) ?? runProgram(commands, check);

/** With nft(8): where the library is not, the program may be. */
export function runProgram(commands: string, check: boolean): NftResult {
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status, stdout, stderr, error } = spawnSync('nft', [...(check ? ['-c'] : []), '-f', '-'], {
    input: commands,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (errnoCode(error) === 'ENOENT')
    throw new UserError('host ports, network policies and Services need nftables', {
      hint: 'install the package "nftables"',
    });
  if (error !== undefined) throw error;
  return { output: stdout, error: status === 0 ? '' : stderr || `nft ended with ${status}` };
}

/** `FILE:LINE:COLUMNS: Error: WHAT`; the line that nft shows below is not always the right one. */
function firstError(text: string, commands: string): string {
  const [, line = '', what = ''] = /^[^:\n]*:(\d+):[^:\n]*: Error: (.*)$/m.exec(text) ?? [];
  const command = commands.split('\n')[Number(line) - 1]?.trim() ?? '';
  if (what === '') return text.split('\n')[0] ?? '';
  return command === '' ? what : `${what}: ${command.slice(0, 200)}`;
}
