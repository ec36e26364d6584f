import { errnoCode } from '../base/errors.ts';

/** Whether a file could not be written for want of room: that may be over soon. */
export function isDiskFailure(error: unknown): error is Error {
  return ['ENOSPC', 'EDQUOT', 'EROFS'].includes(errnoCode(error) ?? '');
}
