/* What the roles of podspace-shim have of each other. */
#ifndef PODSPACE_SHIM_H
#define PODSPACE_SHIM_H

/* shim.c: run the program whose fds argv[1] to argv[3] name; an exit code. */
int ps_run_program(char **argv);

/* shim.c: whether two texts are the same. */
int ps_same(const char *a, const char *b);

/* pod.c: keep a pod until told to end. */
int ps_keep_pod(long listener, long records);

#endif
