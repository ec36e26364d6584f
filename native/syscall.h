/*
 * Raw system calls: negative result = -errno, nothing else touched. No libc: its wrappers set errno in the parent's
 * TLS, and its set*id() signal every other thread, which in a CLONE_VM child are Node's.
 */
#ifndef PODSPACE_SYSCALL_H
#define PODSPACE_SYSCALL_H

#include <asm/unistd.h>
#include <stdint.h>

#if defined(__x86_64__)

static inline long ps_syscall6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	long ret;
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long ps_syscall6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	register long x8 __asm__("x8") = nr;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;
	register uint64_t x3 __asm__("x3") = d;
	register uint64_t x4 __asm__("x4") = e;
	register uint64_t x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory", "cc");
	return (long)x0;
}

#else
#error "podspace knows x86-64 and arm64"
#endif

#define ps_sys0(nr) ps_syscall6(nr, 0, 0, 0, 0, 0, 0)
#define ps_sys1(nr, a) ps_syscall6(nr, (uint64_t)(a), 0, 0, 0, 0, 0)
#define ps_sys2(nr, a, b) ps_syscall6(nr, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0)
#define ps_sys3(nr, a, b, c) ps_syscall6(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0)
#define ps_sys4(nr, a, b, c, d) ps_syscall6(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)
#define ps_sys5(nr, a, b, c, d, e) \
	ps_syscall6(nr, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), 0)

/*
 * A seccomp filter of the container's may answer exit_group with an errno, or exit too. The end of the only thread is
 * the end of the process; and a fault needs nobody's leave.
 */
static inline _Noreturn void ps_exit(int status)
{
	ps_sys1(__NR_exit_group, status);
	ps_sys1(__NR_exit, status);
	__builtin_trap();
}

#endif
