/*
 * The contract between the compiler (TypeScript) and the interpreter (C): the layout of a program and of its report.
 *
 * A program is one contiguous block: header, instructions, relocations, data. All offsets count from the start of
 * the block, all integers are little-endian (both supported architectures are), all padding is zero.
 * `scripts/generate-layout.mjs` writes src/program/layout.generated.ts from this file; change it here only.
 */
#ifndef PODSPACE_H
#define PODSPACE_H

#include <stddef.h>
#include <stdint.h>

#define PS_MAGIC 0x43505350u /* "PSPC" */
#define PS_VERSION 1u
#define PS_OPERANDS 6
#define PS_IGNORES 4
#define PS_MAX_INSTRUCTIONS 16384u
#define PS_MAX_SIZE 16777216u

/* Header flags. */
#define PS_FLAG_TIMESTAMPS 1u /* write the monotonic time after each instruction (run --trace) */

/* What an instruction does. */
#define PS_OP_SYSCALL 0u /* nr(operands…) */
#define PS_OP_STORE 1u	 /* data[operand 0] = (int32_t)operand 1: an fd into a struct */
#define PS_OP_EXPECT 2u	 /* fail with errno operand 3 unless data[operand 0], operand 1 bytes wide, is operand 2 */
#define PS_OP_CLONE 3u	 /* go on in a sibling (CLONE_PARENT); the caller waits until it has exec'd, then exits 0 */

/* Operand 0 of PS_OP_CLONE: the caller exits at once, because the sibling waits for somebody before its execve. */
#define PS_CLONE_LEAVE 1u

/* What an operand is. */
#define PS_KIND_IMM 0u	/* the value itself */
#define PS_KIND_DATA 1u /* a pointer to that offset of the data area */
#define PS_KIND_SLOT 2u /* the result of that earlier instruction; a negative one skips this instruction */

/* How far a program got. */
#define PS_STATE_NEW 0u
#define PS_STATE_RUNNING 1u
#define PS_STATE_FAILED 2u
#define PS_STATE_FINISHED 3u

/* Result of an instruction that was skipped because an operand's slot holds an ignored failure. */
#define PS_SKIPPED (-125) /* -ECANCELED */

struct ps_instruction {
	uint32_t nr;
	uint8_t op;
	uint8_t kind[PS_OPERANDS];
	uint8_t padding;
	uint16_t ignore[PS_IGNORES];
	uint32_t padding2;
	uint64_t operand[PS_OPERANDS];
};

/* data[at] = address of data[target]: argv, envp, iovec… */
struct ps_relocation {
	uint32_t at;
	uint32_t target;
};

struct ps_program {
	uint32_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t flags;
	uint32_t instruction_count;
	uint32_t instruction_offset;
	uint32_t relocation_count;
	uint32_t relocation_offset;
	uint32_t data_size;
	uint32_t data_offset;
	uint32_t padding[2];
};

struct ps_result {
	int64_t result;
	uint64_t nanoseconds;
};

/* Written by the child, read by the parent: in shared memory or in a memfd. One result per instruction follows. */
struct ps_report {
	uint32_t state;
	uint32_t pc;
	int32_t error;
	uint32_t padding;
	uint64_t start_nanoseconds;
	struct ps_result results[];
};

_Static_assert(sizeof(struct ps_instruction) == 72, "instruction");
_Static_assert(offsetof(struct ps_instruction, ignore) == 12, "instruction.ignore");
_Static_assert(offsetof(struct ps_instruction, operand) == 24, "instruction.operand");
_Static_assert(sizeof(struct ps_relocation) == 8, "relocation");
_Static_assert(sizeof(struct ps_program) == 48, "program");
_Static_assert(sizeof(struct ps_report) == 24, "report");
_Static_assert(sizeof(struct ps_result) == 16, "result");

/* check.c: 0, or -EINVAL if any part of the block is not well formed. Nothing else looks at unchecked bytes. */
int ps_check(const void *block, size_t size, size_t report_size);

/* interpret.c: point the data area's pointers at where the block really is. */
void ps_relocate(struct ps_program *program);

/*
 * interpret.c: run a checked, relocated program. 0 when it ended, -1 when the report names a failure. ret_sibling, if not
 * NULL, gets the pid of the sibling as soon as there is one; the sibling must not have that memory.
 */
int ps_interpret(struct ps_program *program, struct ps_report *report, int32_t *ret_sibling);

#endif
