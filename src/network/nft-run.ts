import { spawnSync } from 'node:child_process';
import { errnoCode, UserError } from '../base/errors.ts';
import { type NftResult, runLibnftables } from '../native/libnftables.ts';

/**
 * Has nftables do commands in the network namespace of the calling thread, in one transaction: all of them or none. With
 * `check` the kernel is only asked. Throws a UserError with nft's own words, or what to install.
 */
export function runNft(commands: string, check = false): string {
  const { output, error } = runLibnftables(commands, check) ?? runBinary(commands, check);
  if (error === '') return output;
  throw new UserError(`nftables: ${firstError(error)}`, {
    hint: /not supported|No such file/.test(error)
      ? 'is the kernel built with nf_tables, nft_nat and nft_fib?'
      : undefined,
  });
}

function runBinary(commands: string, check: boolean): NftResult {
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

/** nft says where, then what, then shows the line with arrows below it. */
function firstError(text: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex(line => /\bError: /.test(line));
  if (at === -1) return lines[0] ?? '';
  const what = (lines[at] ?? '').replace(/^.*?Error: /, '');
  const line = lines[at + 1]?.trim() ?? '';
  return line === '' ? what : `${what}: ${line.slice(0, 200)}`;
}
