import { type Arch, syscallNumber } from '../../src/linux/arch.ts';
import { CLONE, ERRNO } from '../../src/linux/constants.generated.ts';
import type { Compiled } from '../../src/program/compile.ts';
import type { Instruction, Operand } from '../../src/program/program.ts';

/**
 * A C program that makes the same system calls as a compiled container, one statement each and no interpreter: what the
 * kernel needs for them, and nothing else. `./program COUNT` prints the nanoseconds of each round.
 */
export function toC(
  { program, cloneFlags }: Compiled,
  parameters: Readonly<Record<string, number>>,
  arch: Arch,
): string {
  const operand = (value: Operand): string => {
    switch (value.kind) {
      case 'imm':
        return `${value.value}L`;
      case 'data':
        return `(long)(data${value.item} + ${value.offset})`;
      case 'slot':
        return `r[${value.pc}]`;
      case 'parameter':
        return `${parameters[value.name]}L`;
    }
  };
  const statement = (instruction: Instruction, pc: number): string => {
    const { op, name, operands, ignore, guard } = instruction;
    const args = operands.map(operand);
    const slots = [...operands, ...(guard === undefined ? [] : [guard])].filter(
      ({ kind }) => kind === 'slot',
    );
    const skip =
      slots.length === 0
        ? ''
        : `if (${slots.map(slot => `${operand(slot)} < 0`).join(' || ')}) r[${pc}] = -125; else `;
    const failed = [
      `r[${pc}] < 0`,
      ...(skip === '' ? [] : [`r[${pc}] != -125`]),
      ...ignore.map(errno => `r[${pc}] != -${ERRNO[errno]}`),
    ];
    if (op === 'store') return `${skip}*(int *)(${args[0]}) = (int)${args[1]};`;
    if (op === 'expect')
      return `{ long v = ${args[2]}; if (memcmp((void *)${args[0]}, &v, ${args[1]})) fail(${pc}, ${args[3]}); }`;
    if (op === 'clone' || name === undefined) throw new Error('only a container that is run directly');
    const call = `syscall6(${[syscallNumber(arch, name), ...args, ...Array<string>(6 - args.length).fill('0')].join(', ')})`;
    return `${skip}r[${pc}] = ${call}; if (${failed.join(' && ')}) fail(${pc}, -r[${pc}]);`;
  };
  const data = program.data.map(
    ({ bytes }, i) =>
      `static char data${i}[${bytes.length}] __attribute__((aligned(8))) = {${bytes.join(',')}};`,
  );
  const pointers = program.data.flatMap((item, i) =>
    item.pointers.map(pointer => `*(void **)(data${i} + ${pointer.at}) = data${pointer.item};`),
  );
  const flags = cloneFlags.reduce((all, name) => all | CLONE[name], 0) >>> 0;
  return `${HEAD}
static long r[${program.instructions.length}];
${data.join('\n')}
static int child(void *unused)
{
	(void)unused;
	for (int s = 1; s <= 64; s++) syscall6(__NR_rt_sigaction, s, (long)&(struct { long a, b, c, d; }){ 0 }, 0, 8, 0, 0);
	${program.instructions.map(statement).join('\n\t')}
	return 0;
}
#define FLAGS ${flags}u
static void prepare(void) { ${pointers.join(' ')} }
${TAIL}`;
}

const HEAD = `#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
static inline long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return ret;
}
#else
static inline long syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
		      x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#endif
static void fail(int pc, long error)
{
	dprintf(2, "instruction %d: %s\\n", pc, strerror((int)error));
	_exit(127);
}`;

const TAIL = `
static char stack[65536] __attribute__((aligned(16)));
int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1, pidfd, status;
	sigset_t all, old;
	prepare();
	sigfillset(&all);
	for (int i = 0; i < count; i++) {
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		sigprocmask(SIG_BLOCK, &all, &old);
		pid_t pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | FLAGS, 0, &pidfd);
		sigprocmask(SIG_SETMASK, &old, 0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return 1;
		close(pidfd);
		clock_gettime(CLOCK_MONOTONIC, &b);
		printf("%ld\\n", (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec);
	}
	return 0;
}
`;
