import type { ApiObject } from '../objects.ts';
import type { ServedType } from '../resources.ts';

/** An event as events.k8s.io/v1 has it: the same, with other names. */
export function asType({ group, kind }: ServedType, object: ApiObject): ApiObject {
  if (kind !== 'Event' || group === '') return object;
  const {
    involvedObject: regarding,
    message: note,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
    reportingComponent: reportingController,
    ...rest
  } = object;
  return {
    ...rest,
    apiVersion: 'events.k8s.io/v1',
    regarding,
    note,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    reportingController,
  };
}
