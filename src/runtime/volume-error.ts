import { UserError } from '../base/errors.ts';
import type { Volume } from '../kube/types.generated.ts';

/** A volume that cannot be had: the pod stays Pending, with an event of this reason that says why. */
export class VolumeError extends UserError {
  readonly reason: 'FailedMount' | 'Unschedulable';

  constructor(message: string, reason: VolumeError['reason'] = 'FailedMount') {
    super(message);
    this.name = 'VolumeError';
    this.reason = reason;
  }
}

/** The kubelet's words for what keeps a volume from being set up. */
export const failedMount = (volume: Volume, message: string): VolumeError =>
  new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${message}`);
