import { ERRNO } from '../../linux/constants.generated.ts';
import type { SeccompAction } from '../../linux/seccomp.ts';
import type { OciSeccomp, OciSyscallArgument } from '../config.ts';
import { FIRST_ARGUMENT_CALLS, type ObservedCall } from './observation.ts';

/** What a filter says of a call. */
interface Decision {
  readonly action: SeccompAction;
  readonly errno: number | undefined;
}

const PASSES: ReadonlySet<SeccompAction> = new Set(['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG']);

/** Whether a filter lets all of what was seen of a call through. */
export function letsThrough(seccomp: OciSeccomp, { name, firstArguments }: ObservedCall): boolean {
  const values = isJudgedByArgument(name) && firstArguments.length > 0 ? firstArguments : [undefined];
  return values.every(value => {
    const { action, errno } = decide(seccomp, name, value);
    // ENOSYS: as on a kernel that does not have it, where programs take an older call.
    return PASSES.has(action) || (action === 'SCMP_ACT_ERRNO' && errno === ERRNO.ENOSYS);
  });
}

const isJudgedByArgument = (name: string): boolean =>
  (FIRST_ARGUMENT_CALLS as readonly string[]).includes(name);

/** The first rule that fits; an argument that was not watched fits any rule. */
function decide(seccomp: OciSeccomp, name: string, first: number | undefined): Decision {
  const rule = seccomp.syscalls.find(
    ({ names, args = [] }) =>
      names.includes(name) &&
      args.every(arg => arg.index !== 0 || first === undefined || compares(arg, first)),
  );
  return rule === undefined
    ? { action: seccomp.defaultAction, errno: seccomp.defaultErrnoRet }
    : { action: rule.action, errno: rule.errnoRet };
}

function compares({ op, value, valueTwo = 0 }: OciSyscallArgument, argument: number): boolean {
  const [left, right, two] = [BigInt(argument), BigInt(value), BigInt(valueTwo)];
  switch (op) {
    case 'SCMP_CMP_NE':
      return left !== right;
    case 'SCMP_CMP_LT':
      return left < right;
    case 'SCMP_CMP_LE':
      return left <= right;
    case 'SCMP_CMP_EQ':
      return left === right;
    case 'SCMP_CMP_GE':
      return left >= right;
    case 'SCMP_CMP_GT':
      return left > right;
    case 'SCMP_CMP_MASKED_EQ':
      return (left & right) === two;
  }
}
