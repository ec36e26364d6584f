/*
 * check-fuzz FILE ROUNDS SEED: mutates the program in FILE and asks ps_check() about each mutant, in a buffer of exactly
 * its size, so that AddressSanitizer sees every byte read too far. What is accepted is looked at once more here, by
 * other words than check.c's. Prints how many were accepted and refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../native/podspace.h"

static uint64_t state;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static const uint64_t edges[] = { 0, 1, 7, 8, 47, 48, 72, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
				  0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff };

static void mutate(unsigned char *at, size_t size)
{
	/* Most of the structure is at the front. */
	size_t limit = next() % 4 ? (size < 512 ? size : 512) : size;
	size_t where = next() % limit;
	uint64_t value = edges[next() % (sizeof(edges) / sizeof(*edges))];
	size_t width = (size_t)1 << next() % 4;

	switch (next() % 3) {
	case 0:
		at[where] ^= (unsigned char)(1u << next() % 8);
		break;
	case 1:
		where &= ~(width - 1);
		memcpy(at + where, &value, where + width <= size ? width : size - where);
		break;
	default:
		at[where] = (unsigned char)next();
	}
}

static void must(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "accepted, but %s\n", what);
	abort();
}

/* Every byte that the interpreter would touch, touched. */
static void walk(unsigned char *block, size_t size)
{
	const struct ps_program *p = (void *)block;
	const struct ps_instruction *in = (void *)(block + p->instruction_offset);
	const struct ps_relocation *rel = (void *)(block + p->relocation_offset);
	unsigned char *data = block + p->data_offset;

	must(data + p->data_size <= block + size, "the data ends outside");
	must((unsigned char *)(in + p->instruction_count) <= data, "an instruction lies in the data");
	must((unsigned char *)(rel + p->relocation_count) <= data, "a relocation lies in the data");
	for (uint32_t i = 0; i < p->relocation_count; i++) {
		must(rel[i].target < p->data_size, "a relocation leads outside");
		memset(data + rel[i].at, 0, 8);
	}
	for (uint32_t pc = 0; pc < p->instruction_count; pc++)
		for (int i = 0; i < PS_OPERANDS; i++) {
			if (in[pc].kind[i] == PS_KIND_SLOT)
				must(in[pc].operand[i] < pc, "a slot lies ahead");
			if (in[pc].kind[i] != PS_KIND_DATA)
				continue;
			must(in[pc].operand[i] < p->data_size, "an operand leads outside");
			memset(data + in[pc].operand[i], 0, in[pc].op == PS_OP_STORE && i == 0 ? 4 : 1);
		}
}

int main(int argc, char **argv)
{
	static unsigned char original[1 << 20];
	unsigned long accepted = 0, refused = 0;
	size_t size;
	FILE *file;

	if (argc != 4 || !(file = fopen(argv[1], "rb")))
		return 2;
	size = fread(original, 1, sizeof(original), file);
	fclose(file);
	state = strtoull(argv[3], 0, 0) | 1;
	for (unsigned long round = strtoul(argv[2], 0, 0); round; round--) {
		size_t used = next() % 8 ? size : next() % (size + 1);
		size_t report = sizeof(struct ps_report) + next() % (1 << 16);
		unsigned char *block = malloc(used ? used : 1);

		memcpy(block, original, used);
		for (uint64_t n = next() % 4; n && used; n--)
			mutate(block, used);
		if (next() % 2 && used >= 12)
			((struct ps_program *)block)->size = (uint32_t)used;
		if (ps_check(block, used, report)) {
			refused++;
		} else {
			accepted++;
			ps_relocate((void *)block);
			walk(block, used);
		}
		free(block);
	}
	printf("%lu accepted, %lu refused\n", accepted, refused);
	return 0;
}
