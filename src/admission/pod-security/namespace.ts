import { type FieldError, invalid, required } from '../../kube/field-error.ts';
import { labelErrors } from '../../kube/names.ts';
import type { Namespace } from '../../kube/types.generated.ts';
import { validateLabelsAndAnnotations } from '../../kube/validate-metadata.ts';
import { validateNamespaceLabels } from './levels.ts';

/** ValidateNamespace: its name is a DNS label, for it becomes part of others; and its Pod Security labels. */
export function validateNamespace({ metadata = {} }: Namespace): readonly FieldError[] {
  const { name = '', generateName = '' } = metadata;
  const errors: FieldError[] = [];
  if (name === '' && generateName === '')
    errors.push(required('metadata.name', 'name or generateName is required'));
  if (name !== '') errors.push(...labelErrors(name).map(detail => invalid('metadata.name', name, detail)));
  return [
    ...errors,
    ...validateLabelsAndAnnotations({ metadata }),
    ...validateNamespaceLabels(metadata.labels),
  ];
}
