import { existsSync } from 'node:fs';
import { UserError } from '../../base/errors.ts';
import { NETWORK_KINDS } from '../../network/objects.ts';
import { NODE_DIRECTORY } from '../../runtime/node-registry.ts';
import { updateNode } from '../../runtime/node-rules.ts';

/** Objects about the network hold at once, for pods that run too. */
export async function updateRunningPods(changed: readonly { readonly kind: string }[]): Promise<void> {
  if (!changed.some(({ kind }) => NETWORK_KINDS.includes(kind)) || !existsSync(NODE_DIRECTORY)) return;
  try {
    await updateNode();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`stored, but not in force for the pods that run: ${error.message}`, {
      cause: error,
      hint: error.hint,
    });
  }
}
