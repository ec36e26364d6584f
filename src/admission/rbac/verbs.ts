/** The verbs that kubectl takes without a warning; rules may name any. */

const RESOURCE_VERBS =
  '* get list watch create update patch delete deletecollection use bind escalate impersonate'.split(' ');

/** What `create role` knows. */
export const ROLE_VERBS: ReadonlySet<string> = new Set([...RESOURCE_VERBS, 'proxy']);

/** What `auth can-i` knows: the two lists have drifted apart. */
export const QUESTION_VERBS: ReadonlySet<string> = new Set([...RESOURCE_VERBS, 'approve', 'sign', 'attest']);

/** HTTP's, for URLs that are no object's. */
export const URL_VERBS: ReadonlySet<string> = new Set('* get post put delete patch head options'.split(' '));
