/*
 * The library that Node loads: start a child that runs a program, and a few calls that Node has no words for.
 * Nothing here prints, allocates or exits the caller.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/uio.h>
#include <linux/signal.h>

#include "podspace.h"
#include "syscall.h"

#define EXPORT __attribute__((visibility("default")))
#define STACK_SIZE 65536
#define GUARD_SIZE 4096

struct start {
	struct ps_program *program;
	struct ps_report *report;
};

struct kernel_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/*
 * Handlers of Node must not run here, and dispositions it ignores (SIGPIPE, SIGXFSZ) would be inherited by the
 * container: CLONE_CLEAR_SIGHAND resets only those that are caught. All signals are still blocked; the program
 * itself empties the mask just before execve.
 */
static void reset_signals(void)
{
	struct kernel_sigaction action = { 0, 0, 0, 0 };

	for (int signal = 1; signal <= 64; signal++)
		ps_sys4(__NR_rt_sigaction, signal, &action, 0, 8);
}

/* The child: it never returns to its caller's frame, which the parent still uses. */
static _Noreturn void child(struct start *start)
{
	reset_signals();
	ps_exit(ps_interpret(start->program, start->report, NULL) ? 127 : 0);
}

/*
 * clone3 with a stack of its own. The parent's frame must not be touched by the child, hence assembly: the child calls
 * fn(arg) straight from registers, the parent falls through with the result.
 */
static long clone_child(struct clone_args *args, void (*fn)(struct start *), struct start *arg)
{
#if defined(__x86_64__)
	long ret;
	register void *r8 __asm__("r8") = (void *)fn;
	register void *r9 __asm__("r9") = arg;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r9, %%rdi\n\t"
			 "call *%%r8\n\t"
			 "hlt\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(__NR_clone3), "D"(args), "S"(sizeof(*args)), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
#else
	register long x8 __asm__("x8") = __NR_clone3;
	register uint64_t x0 __asm__("x0") = (uint64_t)args;
	register uint64_t x1 __asm__("x1") = sizeof(*args);
	register void *x9 __asm__("x9") = (void *)fn;
	register void *x10 __asm__("x10") = arg;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x30, xzr\n\t"
			 "mov x0, x10\n\t"
			 "blr x9\n\t"
			 "brk 0\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x9), "r"(x10)
			 : "memory", "cc");
	return (long)x0;
#endif
}

static int dumpable(void)
{
	return (int)ps_sys5(__NR_prctl, 3 /* PR_GET_DUMPABLE */, 0, 0, 0, 0);
}

/*
 * Run a program in a new child. Returns its pid, or -errno; ret_pidfd is filled only on success (O_CLOEXEC, as always
 * for CLONE_PIDFD). Returns when the child has exec'd or ended (CLONE_VFORK); what happened is in the report.
 *
 * flags: CLONE_NEW… and CLONE_FILES; cgroup: fd of a cgroup v2 directory to be born in, or -1.
 */
EXPORT long ps_spawn(void *block, size_t size, struct ps_report *report, size_t report_size, uint64_t flags, int cgroup,
		     int *ret_pidfd)
{
	uint64_t all = ~0ull, old = 0;
	static int was_dumpable = -1;
	int pidfd = -1;
	struct start start = { block, report };
	struct clone_args args = {
		.flags = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	long stack, ret;

	ret = ps_check(block, size, report_size);
	if (ret < 0)
		return ret;
	ps_relocate(block);
	stack = ps_syscall6(__NR_mmap, 0, STACK_SIZE + GUARD_SIZE, 0 /* PROT_NONE */,
			    0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, (uint64_t)-1, 0);
	if (stack < 0 && stack >= -4095)
		return stack;
	ret = ps_sys3(__NR_mprotect, stack + GUARD_SIZE, STACK_SIZE, 3 /* PROT_READ|PROT_WRITE */);
	if (ret < 0)
		goto unmap;
	args.stack = (uint64_t)stack + GUARD_SIZE;
	args.stack_size = STACK_SIZE;
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (unsigned int)cgroup;
	}

	/* Asked once: another thread's child may have cleared it at this moment. */
	if (was_dumpable < 0)
		was_dumpable = dumpable();
	ps_sys4(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, &all, &old, 8);
	ret = clone_child(&args, (void (*)(struct start *))child, &start);
	ps_sys4(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &old, 0, 8);
	/* dumpable belongs to the shared memory: the child's change of ids has cleared it for Node too. */
	if (was_dumpable == 1)
		ps_sys5(__NR_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0);
	if (ret > 0)
		*ret_pidfd = pidfd;
unmap:
	ps_sys2(__NR_munmap, stack, STACK_SIZE + GUARD_SIZE);
	return ret;
}

/* Any system call, by number; negative = -errno. Node's words stop at what libuv wraps. */
EXPORT long ps_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	return ps_syscall6(nr, a, b, c, d, e, f);
}

struct message_header {
	uint64_t name;
	uint32_t namelen, padding;
	uint64_t iov, iovlen, control, controllen;
	uint32_t flags, padding2;
};

/* Receive one fd (SCM_RIGHTS) from a stream socket without waiting: the fd (O_CLOEXEC), or -errno; -EBADMSG if none. */
EXPORT long ps_receive_fd(int socket)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		uint64_t align;
		struct {
			uint64_t len;
			int32_t level, type, fd, padding;
		} fields;
	} control = { 0 };
	struct message_header header = { .iov = (uint64_t)(uintptr_t)&iov,
					 .iovlen = 1,
					 .control = (uint64_t)(uintptr_t)&control,
					 .controllen = sizeof(control) };
	long ret;

	ret = ps_sys3(__NR_recvmsg, socket, &header, 0x40000040 /* MSG_CMSG_CLOEXEC|MSG_DONTWAIT */);
	if (ret < 0)
		return ret;
	if (control.fields.len != 20 || control.fields.level != 1 || control.fields.type != 1)
		return -EBADMSG;
	return control.fields.fd;
}

/* Send bytes with fds (SCM_RIGHTS) to a stream socket without waiting: how many bytes went, or -errno. */
EXPORT long ps_send_fds(int socket, const void *bytes, size_t size, const int32_t *fds, size_t count)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	struct {
		uint64_t len;
		int32_t level, type, fds[64];
	} control = { 16 + 4 * count, 1, 1, { 0 } };
	struct message_header header = { .iov = (uint64_t)(uintptr_t)&iov, .iovlen = 1 };

	if (count > 64)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		control.fds[i] = fds[i];
	if (count) {
		header.control = (uint64_t)(uintptr_t)&control;
		header.controllen = 16 + (4 * count + 7) / 8 * 8;
	}
	return ps_sys3(__NR_sendmsg, socket, &header, 0x4040 /* MSG_NOSIGNAL|MSG_DONTWAIT */);
}
