/** Annotations by which profiles were chosen before there were fields for it (k8s.io/api/core/v1, annotation_key_constants.go). */

/** The container's name follows. Deprecated since 1.30, and still looked at. */
export const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

/** The pod's seccomp profile, until 1.18. */
export const SECCOMP_POD_ANNOTATION = 'seccomp.security.alpha.kubernetes.io/pod';
/** A container's, whose name follows. */
export const SECCOMP_CONTAINER_ANNOTATION = 'container.seccomp.security.alpha.kubernetes.io/';
