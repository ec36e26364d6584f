/*
 * The only judge of a program's bytes: after ps_check() the interpreter may follow every offset without looking.
 * Runs in the parent, before anything is cloned, so that bad input is an ordinary EINVAL.
 */
#include <linux/errno.h>

#include "podspace.h"

static int inside(uint64_t offset, uint64_t count, uint64_t each, uint64_t size)
{
	return offset <= size && count <= (size - offset) / each;
}

static int check_operand(const struct ps_program *program, const struct ps_instruction *in, uint32_t pc, int i)
{
	switch (in->kind[i]) {
	case PS_KIND_IMM:
		return 0;
	case PS_KIND_DATA:
		return in->operand[i] < program->data_size ? 0 : -EINVAL;
	case PS_KIND_SLOT:
		return in->operand[i] < pc ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

/* STORE writes four bytes, EXPECT reads one, two, four or eight; both only inside the data area. */
static int check_access(const struct ps_program *program, const struct ps_instruction *in)
{
	uint64_t width = 4;

	if (in->op == PS_OP_SYSCALL || in->op == PS_OP_CLONE)
		return 0;
	if (in->op == PS_OP_EXPECT) {
		width = in->operand[1];
		if (in->kind[1] != PS_KIND_IMM || (width != 1 && width != 2 && width != 4 && width != 8))
			return -EINVAL;
		if (in->kind[2] != PS_KIND_IMM || in->kind[3] != PS_KIND_IMM)
			return -EINVAL;
		if (in->operand[3] == 0 || in->operand[3] > 4095)
			return -EINVAL;
	}
	if (in->kind[0] != PS_KIND_DATA || !inside(in->operand[0], width, 1, program->data_size))
		return -EINVAL;
	return 0;
}

static int check_instruction(const struct ps_program *program, const struct ps_instruction *in, uint32_t pc)
{
	if (in->op > PS_OP_CLONE || in->padding || in->padding2)
		return -EINVAL;
	for (int i = 0; i < PS_OPERANDS; i++)
		if (check_operand(program, in, pc, i))
			return -EINVAL;
	for (int i = 0; i < PS_IGNORES; i++)
		if (in->ignore[i] > 4095)
			return -EINVAL;
	return check_access(program, in);
}

int ps_check(const void *block, size_t size, size_t report_size)
{
	const struct ps_program *program = block;
	const struct ps_instruction *in;
	const struct ps_relocation *relocation;

	if (size < sizeof(*program) || size > PS_MAX_SIZE || (uintptr_t)block % 8)
		return -EINVAL;
	if (program->magic != PS_MAGIC || program->version != PS_VERSION || program->size != size)
		return -EINVAL;
	if (program->flags & ~PS_FLAG_TIMESTAMPS || program->padding[0] || program->padding[1])
		return -EINVAL;
	if (program->instruction_count > PS_MAX_INSTRUCTIONS || program->instruction_offset % 8 ||
	    program->relocation_offset % 8 || program->data_offset % 8)
		return -EINVAL;
	if (program->instruction_offset < sizeof(*program) || program->relocation_offset < sizeof(*program) ||
	    program->data_offset < sizeof(*program))
		return -EINVAL;
	if (!inside(program->instruction_offset, program->instruction_count, sizeof(*in), size) ||
	    !inside(program->relocation_offset, program->relocation_count, sizeof(*relocation), size) ||
	    !inside(program->data_offset, program->data_size, 1, size))
		return -EINVAL;
	/* The data area is written to (relocations, STORE, the kernel): it must not hold what is being checked. */
	if (program->data_offset <
		    program->instruction_offset + program->instruction_count * (uint64_t)sizeof(*in) ||
	    program->data_offset <
		    program->relocation_offset + program->relocation_count * (uint64_t)sizeof(*relocation))
		return -EINVAL;
	if (report_size < sizeof(struct ps_report) ||
	    !inside(sizeof(struct ps_report), program->instruction_count, sizeof(struct ps_result), report_size))
		return -EINVAL;

	in = (const struct ps_instruction *)((const char *)block + program->instruction_offset);
	for (uint32_t pc = 0; pc < program->instruction_count; pc++)
		if (check_instruction(program, &in[pc], pc))
			return -EINVAL;

	relocation = (const struct ps_relocation *)((const char *)block + program->relocation_offset);
	for (uint32_t i = 0; i < program->relocation_count; i++)
		if (relocation[i].at % 8 || !inside(relocation[i].at, 1, 8, program->data_size) ||
		    relocation[i].target >= program->data_size)
			return -EINVAL;
	return 0;
}
