import { UserError } from '../base/errors.ts';
import { placesOf } from '../kube/invalid-object.ts';
import type { LoadedPod } from '../kube/manifest.ts';
import type { Pod } from '../kube/types.generated.ts';
import type { Denial } from './admission.ts';

/** A pod that admission refuses: the API server's words (403), and below them where each field stands. */
export class ForbiddenPodError extends UserError {
  readonly breaches: Denial['breaches'];
  /** What the API server says after `pods "NAME" is forbidden: `. */
  readonly denial: string;

  constructor(
    { source, isNameGenerated = false }: LoadedPod,
    { metadata }: Pod,
    { denial, breaches }: Denial,
  ) {
    // Of a generated name only the beginning is known when admission speaks.
    const name = (isNameGenerated ? metadata?.generateName : metadata?.name) ?? '';
    const places = placesOf(
      source,
      breaches.flatMap(({ paths }) => paths),
    );
    const text = `pods ${JSON.stringify(name)} is forbidden: ${denial}`;
    // The API server's words name no cause where it is no field.
    const hint = breaches.find(({ paths }) => paths.length === 0)?.message;
    super(places === '' ? text : `${text}\n${places}`, { hint });
    this.name = 'ForbiddenPodError';
    this.breaches = breaches;
    this.denial = denial;
  }
}
