/*
 * podspace-shim: the interpreter in a process of its own, static and without libc. Its roles, by argv[0]:
 *
 *   podspace-shim PROGRAM-FD REPORT-FD SIBLING-FD
 *              runs a program in memory of its own, and with an executable of its own: for all that ends in a file of an
 *              image's, or joins namespaces in which untrusted processes live. It starts in the host's namespaces, makes
 *              itself non-dumpable, and only then joins.
 *   /pause     PID 1 of a pod with shareProcessNamespace: reaps, and ends on SIGTERM.
 *   /pod LISTENER-FD RECORDS-FD
 *              the parent of a detached pod's containers; see pod.c.
 *   /drain     reads its stdin, the master of a terminal, until nobody is at the terminal.
 *
 * Node runs it from a sealed memfd, so that a container cannot reach a file of the host through /proc/PID/exe
 * (CVE-2019-5736).
 */
#include <linux/errno.h>
#include <linux/signal.h>

#include "podspace.h"
#include "shim.h"
#include "syscall.h"

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall shim_main\n\thlt\n");
#else
__asm__(".globl _start\n_start:\n\tmov x29, xzr\n\tmov x30, xzr\n\tmov x0, sp\n\tbl shim_main\n\tbrk 0\n");
#endif

/* gcc may turn a loop into a call of these, and there is no libc to have them. */
__attribute__((used)) void *memset(void *at, int byte, size_t count)
{
	volatile unsigned char *p = at;

	while (count--)
		*p++ = (unsigned char)byte;
	return at;
}

__attribute__((used)) void *memcpy(void *to, const void *from, size_t count)
{
	volatile unsigned char *p = to;
	const unsigned char *q = from;

	while (count--)
		*p++ = *q++;
	return to;
}

static long parse_fd(const char *text)
{
	long value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || value > 1000000)
			return -EINVAL;
		value = value * 10 + (*text - '0');
	}
	return value;
}

/* The whole file, mapped; its size in ret_size. The fd is closed: the container's processes must not inherit it. */
static long map_fd(long fd, int is_shared, uint64_t *ret_size)
{
	long size, address;

	size = ps_sys3(__NR_lseek, fd, 0, 2 /* SEEK_END */);
	if (size <= 0)
		return size ? size : -EINVAL;
	address = ps_syscall6(__NR_mmap, 0, (uint64_t)size, 3 /* PROT_READ|PROT_WRITE */, is_shared ? 1 : 2, (uint64_t)fd,
			      0);
	ps_sys1(__NR_close, fd);
	*ret_size = (uint64_t)size;
	return address;
}

int ps_run_program(char **argv)
{
	uint64_t size = 0, report_size = 0, sibling_size = 0;
	long program_fd, report_fd, sibling_fd, program, report, sibling;

	program_fd = parse_fd(argv[1]);
	report_fd = parse_fd(argv[2]);
	sibling_fd = parse_fd(argv[3]);
	if (program_fd < 0 || report_fd < 0 || sibling_fd < 0)
		return 126;
	program = map_fd(program_fd, 0, &size);
	if (program < 0 && program >= -4095)
		return 126;
	report = map_fd(report_fd, 1, &report_size);
	if (report < 0 && report >= -4095)
		return 126;
	sibling = map_fd(sibling_fd, 1, &sibling_size);
	if (sibling < 0 && sibling >= -4095)
		return 126;
	if (ps_check((void *)program, size, report_size) || sibling_size < sizeof(int32_t))
		return 126;
	/* Who may ptrace the sibling must not choose which process is taken for it, and killed. */
	if (ps_sys3(__NR_madvise, sibling, sibling_size, 10 /* MADV_DONTFORK */))
		return 126;
	/* CVE-2016-9962: no process of a joined namespace may ptrace this one or open its /proc files. */
	ps_sys5(__NR_prctl, 4 /* PR_SET_DUMPABLE */, 0, 0, 0, 0);
	ps_relocate((void *)program);
	return ps_interpret((void *)program, (void *)report, (void *)sibling) ? 127 : 0;
}

/* PID 1 gets only signals that it handles or waits for; so it waits. Zombies are reaped at each SIGCHLD. */
static int pause_and_reap(void)
{
	uint64_t set = (1ull << (SIGCHLD - 1)) | (1ull << (SIGTERM - 1)) | (1ull << (SIGINT - 1));
	long signal;

	ps_sys5(__NR_prctl, 15 /* PR_SET_NAME */, "pause", 0, 0, 0);
	ps_sys4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &set, 0, 8);
	for (;;) {
		signal = ps_sys4(__NR_rt_sigtimedwait, &set, 0, 0, 8);
		if (signal == SIGTERM || signal == SIGINT)
			return 0;
		while (ps_sys4(__NR_wait4, -1, 0, 1 /* WNOHANG */, 0) > 0)
			;
	}
}

/* The end of a terminal is EIO: its last process has gone. */
static int drain(void)
{
	char buffer[4096];
	long size;

	ps_sys5(__NR_prctl, 15 /* PR_SET_NAME */, "podspace-drain", 0, 0, 0);
	do
		size = ps_sys3(__NR_read, 0, buffer, sizeof(buffer));
	while (size > 0 || size == -EINTR);
	return 0;
}

int ps_same(const char *name, const char *want)
{
	while (*want && *want == *name)
		want++, name++;
	return *want == 0 && *name == 0;
}

_Noreturn __attribute__((used)) void shim_main(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)&stack[1];

	if (argc == 1 && ps_same(argv[0], "/pause"))
		ps_exit(pause_and_reap());
	if (argc == 1 && ps_same(argv[0], "/drain"))
		ps_exit(drain());
	if (argc == 3 && ps_same(argv[0], "/pod"))
		ps_exit(ps_keep_pod(parse_fd(argv[1]), parse_fd(argv[2])));
	if (argc == 4)
		ps_exit(ps_run_program(argv));
	ps_exit(126);
}
