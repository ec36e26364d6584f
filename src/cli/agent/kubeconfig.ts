import { type Args, flag, type Io, text, texts } from '../io.ts';
import { requireRoot } from '../root.ts';
import { agent } from './connection.ts';

/** `kubeconfig`: the file that lets kubectl in, with a token that is kept nowhere else. */
export async function kubeconfig(args: Args, io: Io): Promise<number> {
  requireRoot();
  const [listen, user, groups] = [text(args, 'listen'), text(args, 'user'), texts(args, 'group')];
  const asked = {
    ...(listen === undefined ? {} : { listen }),
    ...(user === undefined ? {} : { user }),
    ...(groups.length === 0 ? {} : { groups }),
    ...(flag(args, 'revoke') ? { revoke: true } : {}),
  };
  const client = await agent(args, io);
  const answer = await client.json<object>('POST', '/podspace/kubeconfig', { body: asked });
  if ('revoked' in answer) io.out(`${answer.revoked} tokens taken back\n`);
  else io.out(`${JSON.stringify(answer, null, 2)}\n`);
  return 0;
}
