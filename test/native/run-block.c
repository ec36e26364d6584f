/*
 * run-block FILE: checks, relocates and interprets the program in FILE, in this process, under the sanitizers. Prints the
 * report: state, pc and error, then each result.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../native/podspace.h"

int main(int argc, char **argv)
{
	static _Alignas(8) unsigned char buffer[1 << 20];
	struct ps_program *program = (void *)buffer;
	struct ps_report *report;
	size_t size, report_size;
	FILE *file;

	if (argc != 2 || !(file = fopen(argv[1], "rb")))
		return 2;
	size = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	report_size = sizeof(*report) + sizeof(struct ps_result) * (size >= sizeof(*program) ? program->instruction_count : 0);
	report = calloc(1, report_size);
	if (ps_check(program, size, report_size)) {
		puts("refused");
		free(report);
		return 0;
	}
	ps_relocate(program);
	ps_interpret(program, report, NULL);
	printf("%u %u %d\n", report->state, report->pc, report->error);
	for (uint32_t i = 0; i < program->instruction_count; i++)
		printf("%lld\n", (long long)report->results[i].result);
	free(report);
	return 0;
}
