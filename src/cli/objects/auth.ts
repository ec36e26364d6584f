import { ACCESS_HEADER, accessRows } from '../../admission/rbac/access-list.ts';
import { rulesFor } from '../../admission/rbac/authorizer.ts';
import { canI } from '../../admission/rbac/can-i.ts';
import { UserError } from '../../base/errors.ts';
import { gatherAdmission } from '../../runtime/admission.ts';
import { admissionOptions } from '../input.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { formatTable } from '../table.ts';

/** `auth can-i VERB WHAT`: prints yes or no; the exit code of a no is 1. */
export function auth(args: Args, io: Io): number {
  const [action = '', ...words] = texts(args, 'question');
  if (action !== 'can-i')
    throw new UserError(`unknown action "${action}"`, { hint: 'podspace auth can-i VERB TYPE[/NAME]' });
  const { rbac, user } = gatherAdmission(io.roots, [], admissionOptions(args));
  const namespace = text(args, 'namespace') ?? 'default';
  if (flag(args, 'list')) {
    if (words.length > 0)
      throw new UserError(`unexpected argument "${words[0]}"`, { hint: '--list has no question' });
    const { rules, evaluationError } = rulesFor(rbac, user, namespace);
    if (evaluationError !== '') io.err(`Warning: the list may be incomplete: ${evaluationError}\n`);
    io.out(formatTable([ACCESS_HEADER, ...accessRows(rules)]));
    return 0;
  }
  const subresource = text(args, 'subresource');
  const answer = canI(rbac, user, words, {
    namespace,
    allNamespaces: flag(args, 'all-namespaces'),
    ...(subresource === undefined ? {} : { subresource }),
  });
  for (const warning of answer.warnings) io.err(`${warning}\n`);
  if ('error' in answer) throw new UserError(answer.error, { hint: 'podspace auth --help' });
  if (!flag(args, 'quiet')) io.out(`${answer.answer}\n`);
  return answer.allowed ? 0 : 1;
}
