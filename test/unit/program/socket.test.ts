import t from 'tap';
import { compileSocket } from '../../../src/program/compile-socket.ts';
import { disassemble } from '../../../src/program/disassemble.ts';

for (const arch of ['x64', 'arm64'] as const) {
  t.test(`a socket of another network namespace, on ${arch}`, t => {
    for (const family of ['AF_INET', 'AF_INET6'] as const) {
      const { program, cloneFlags, socket } = compileSocket(family, arch);
      t.equal(
        disassemble(program),
        [
          '# network namespace',
          '   0  setns(<netns>, CLONE_NEWNET)',
          '# socket',
          `   1  socket(${family}, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 0)`,
          '',
        ].join('\n'),
      );
      t.equal(program.instructions[socket]?.name, 'socket');
      t.same(cloneFlags, ['CLONE_FILES'], 'nothing of its own, and the fd table of the runtime');
    }
    t.end();
  });
}
