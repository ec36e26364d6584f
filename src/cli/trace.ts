import { errnoName } from '../linux/errno.ts';
import type { Exchange } from '../network/wire.ts';
import type { Report } from '../program/decode.ts';
import { disassemble } from '../program/disassemble.ts';
import { LAYOUT } from '../program/layout.generated.ts';
import type { VerifiedProgram } from '../program/program.ts';

/** An strace-like listing of a program that ran: each call with its result and the microseconds it took. */
export function formatTrace(container: string, program: VerifiedProgram, report: Report): string {
  let before = report.startNanoseconds;
  const notes = program.instructions.map((_, pc) => {
    const [result, nanoseconds] = [report.result(pc), report.nanoseconds(pc)];
    if (pc > report.pc || (pc === report.pc && report.state === 'running')) return '';
    const micros = Number(nanoseconds - before) / 1000;
    before = nanoseconds;
    if (result === LAYOUT.PS_SKIPPED) return ' (skipped)';
    const shown = result < 0 && result >= -4095 ? `-1 ${errnoName(-result)}` : String(result);
    return ` = ${shown} <${micros.toFixed(1)}µs>`;
  });
  const total = Number(before - report.startNanoseconds) / 1000;
  const executed = report.state === 'running' ? ` = 0` : '';
  const listing = disassemble(program, pc =>
    pc === report.pc && report.state === 'running' ? executed : (notes[pc] ?? ''),
  );
  return `--- ${container}: ${program.instructions.length} instructions, ${total.toFixed(0)} µs ---\n${listing}`;
}

/** Messages that were sent together about one end of a pod's link, each with what became of it. */
export function formatExchange(pod: string, { end, messages, microseconds }: Exchange): string {
  const lines = messages.map(
    ({ text, errno }) => `${text} = ${errno === 0 ? '0' : `-1 ${errnoName(errno)}`}\n`,
  );
  const count = `${messages.length} ${messages.length === 1 ? 'message' : 'messages'}`;
  return `--- ${pod} (network, ${end}): ${count}, ${microseconds.toFixed(0)} µs ---\n${lines.join('')}`;
}
