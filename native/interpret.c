/*
 * The interpreter: one loop over a checked program. It runs in a child that may share its memory with Node
 * (CLONE_VM), so: raw system calls, this stack and the program's memory; nothing else.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/signal.h>

#include "podspace.h"
#include "syscall.h"

void ps_relocate(struct ps_program *program)
{
	char *data = (char *)program + program->data_offset;
	const struct ps_relocation *relocation =
		(const struct ps_relocation *)((char *)program + program->relocation_offset);

	for (uint32_t i = 0; i < program->relocation_count; i++)
		*(uint64_t *)(data + relocation[i].at) = (uint64_t)(uintptr_t)(data + relocation[i].target);
}

static uint64_t now(const struct ps_program *program)
{
	struct __kernel_timespec ts = { 0, 0 };

	if (!(program->flags & PS_FLAG_TIMESTAMPS))
		return 0;
	ps_sys2(__NR_clock_gettime, 1 /* CLOCK_MONOTONIC */, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int is_ignored(const struct ps_instruction *in, long ret)
{
	for (int i = 0; i < PS_IGNORES; i++)
		if (in->ignore[i] && in->ignore[i] == -ret)
			return 1;
	return 0;
}

/* Byte by byte: the data may sit at any alignment. */
static long expect(const unsigned char *at, uint64_t width, uint64_t value, uint64_t error)
{
	for (uint64_t i = 0; i < width; i++)
		if (at[i] != (unsigned char)(value >> (8 * i)))
			return -(long)error;
	return 0;
}

static void store(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

/*
 * Go on in a sibling, the child of this process' parent: the step that setns() or unshare() of a PID namespace needs.
 * Without CLONE_VM, because the sibling may be visible to hostile processes of that namespace, which could write to
 * memory that it shared. CLONE_VFORK makes this process wait until the sibling has exec'd or died, so its own exit
 * says that the report is complete. CLONE_FILES, because what the sibling closes must be closed: until this process
 * ends, its own fds would keep the container's mounts busy. The pid is written before the sibling runs: what the sibling
 * can write to, a hostile process that got hold of it can forge.
 */
static long clone_sibling(int32_t *ret_sibling, uint64_t operand)
{
	uint64_t flags = CLONE_PARENT | CLONE_FILES | SIGCHLD | (ret_sibling ? CLONE_PARENT_SETTID : 0);

	if (!(operand & PS_CLONE_LEAVE))
		flags |= CLONE_VFORK;

	return ps_sys5(__NR_clone, flags, 0, ret_sibling, 0, 0);
}

/*
 * openat2() below a root gives up with EAGAIN if anything anywhere is renamed or mounted while it follows "..", and may be
 * asked again, openat2(2). Not for ever: somebody may be renaming on purpose.
 */
static long call(long nr, const uint64_t *v)
{
	long ret;
	int attempts = nr == __NR_openat2 ? 1000 : 1;

	do
		ret = ps_syscall6(nr, v[0], v[1], v[2], v[3], v[4], v[5]);
	while (ret == -EAGAIN && --attempts > 0);
	return ret;
}

static long run(const struct ps_instruction *in, const uint64_t *v, int32_t *ret_sibling)
{
	switch (in->op) {
	case PS_OP_STORE:
		store((unsigned char *)(uintptr_t)v[0], v[1]);
		return 0;
	case PS_OP_EXPECT:
		return expect((const unsigned char *)(uintptr_t)v[0], v[1], v[2], v[3]);
	case PS_OP_CLONE:
		return clone_sibling(ret_sibling, v[0]);
	default:
		return call((long)in->nr, v);
	}
}

/* Fills in the operands; 0 if one of them is the slot of an ignored failure. */
static int resolve(struct ps_program *program, const struct ps_report *report, const struct ps_instruction *in,
		   uint64_t *ret_values)
{
	for (int i = 0; i < PS_OPERANDS; i++) {
		uint64_t operand = in->operand[i];

		if (in->kind[i] == PS_KIND_DATA) {
			operand += (uint64_t)(uintptr_t)program + program->data_offset;
		} else if (in->kind[i] == PS_KIND_SLOT) {
			int64_t result = report->results[operand].result;

			if (result < 0 && result >= -4095)
				return 0;
			operand = (uint64_t)result;
		}
		ret_values[i] = operand;
	}
	return 1;
}

int ps_interpret(struct ps_program *program, struct ps_report *report, int32_t *ret_sibling)
{
	const struct ps_instruction *in =
		(const struct ps_instruction *)((char *)program + program->instruction_offset);
	uint64_t values[PS_OPERANDS];
	long ret;

	report->state = PS_STATE_RUNNING;
	report->start_nanoseconds = now(program);
	for (uint32_t pc = 0; pc < program->instruction_count; pc++, in++) {
		report->pc = pc;
		if (resolve(program, report, in, values))
			ret = run(in, values, ret_sibling);
		else
			ret = PS_SKIPPED;
		report->results[pc].nanoseconds = now(program);
		report->results[pc].result = ret;
		if (in->op == PS_OP_CLONE && ret > 0)
			ps_exit(0);
		if (ret < 0 && ret >= -4095 && ret != PS_SKIPPED && !is_ignored(in, ret)) {
			report->error = (int32_t)-ret;
			report->state = PS_STATE_FAILED;
			return -1;
		}
	}
	report->state = PS_STATE_FINISHED;
	return 0;
}
