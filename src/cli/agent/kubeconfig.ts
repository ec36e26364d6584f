import { stringify } from 'yaml';
import { type Args, type Io, text, texts } from '../io.ts';
import { agent } from './connection.ts';

/** `kubeconfig [--listen 127.0.0.1:PORT] [--user NAME [--group GROUP]…]`: makes the agent listen, and says how kubectl finds it. */
export async function kubeconfig(args: Args, io: Io): Promise<number> {
  const client = await agent(args, io);
  const [listen, user, groups] = [text(args, 'listen'), text(args, 'user'), texts(args, 'group')];
  const body = {
    ...(listen === undefined ? {} : { listen }),
    ...(user === undefined ? {} : { user }),
    groups,
  };
  io.out(stringify(await client.json<object>('POST', '/podspace/kubeconfig', { body })));
  return 0;
}
