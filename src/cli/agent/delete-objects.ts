import type { AgentClient } from '../../agent/client.ts';
import { joinUserErrors, UserError } from '../../base/errors.ts';
import { parseDuration } from '../duration.ts';
import { type Args, flag, type Io, text } from '../io.ts';
import { type Doomed, deletedLine } from '../objects/delete.ts';
import { isMissing } from '../objects/get.ts';
import { untilGone } from './until.ts';

/** What `--grace-period`, `--now` and `--force` come to. Undefined: what the pod itself says. */
function gracePeriod(args: Args): number | undefined {
  const written = text(args, 'grace-period') ?? '-1';
  const grace = Number(written);
  if (!/^-?\d+$/.test(written))
    throw new UserError(`option --grace-period: "${written}" is not a number of seconds`);
  const [isNow, isForced] = [flag(args, 'now'), flag(args, 'force')];
  if (isNow && grace >= 0) throw new UserError('--now and --grace-period cannot be specified together');
  if (isForced && grace > 0)
    throw new UserError('--force and --grace-period greater than 0 cannot be specified together');
  if (isNow) return 1;
  if (isForced) return 0;
  // Without --force nothing is killed at once.
  return grace < 0 ? undefined : Math.max(1, grace);
}

/** Deletes objects through the agent, and waits until they have gone. */
export async function deleteWithAgent(
  client: AgentClient,
  args: Args,
  io: Io,
  doomed: readonly Doomed[],
): Promise<number> {
  const gracePeriodSeconds = gracePeriod(args);
  const isForced = flag(args, 'force');
  const dryRun = text(args, 'dry-run') ?? 'none';
  const written = text(args, 'timeout') ?? '0s';
  const timeout = parseDuration(written, '--timeout') || undefined;
  if (isForced)
    io.err(
      'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run indefinitely.\n',
    );
  const note = { none: '', client: ' (dry run)', server: ' (server dry run)' }[dryRun] ?? '';
  const done = `${isForced ? 'force deleted' : 'deleted'}${note}`;
  const going: { readonly doomed: Doomed; readonly uid: string | undefined }[] = [];
  const errors: UserError[] = [];
  for (const each of doomed) {
    const { type, key } = each;
    try {
      const object =
        dryRun === 'client'
          ? await client.get(type, key.namespace, key.name)
          : await client.delete(type, key.namespace, key.name, {
              ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
              ...(dryRun === 'server' ? { dryRun: ['All'] } : {}),
            });
      io.out(deletedLine(args, type, key.name, done));
      going.push({ doomed: each, uid: uidOf(object) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (!isMissing(error) || !flag(args, 'ignore-not-found')) errors.push(error);
    }
  }
  const end = performance.now() + (timeout ?? Number.POSITIVE_INFINITY);
  for (const {
    doomed: { type, key },
    uid,
  } of dryRun !== 'none' || args.values.wait === false ? [] : going) {
    const subject = { type, namespace: key.namespace, name: key.name, uid };
    const result = await untilGone(
      client,
      subject,
      timeout === undefined ? undefined : Math.max(0, end - performance.now()),
    );
    if (result === 'timeout')
      errors.push(new UserError(`timed out waiting for the condition on ${type.resource}/${key.name}`));
  }
  if (errors.length > 0) throw joinUserErrors(errors);
  return 0;
}

/** Of an object that is marked; of one that has gone at once the answer is a Status, which says it in its details. */
function uidOf(answer: object): string | undefined {
  const { metadata, details } = answer as { metadata?: { uid?: string }; details?: { uid?: string } };
  return metadata?.uid ?? details?.uid;
}
