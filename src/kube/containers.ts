import type { Container, Pod } from './types.generated.ts';

/** All that have a process of their own: the init containers, and the others after them. */
export const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];
