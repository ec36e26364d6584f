import { main } from './main.ts';

// The launcher writes the code cache after the command has ended, so the exit code is handed over, not acted on here.
export const done: Promise<number> = main(process.argv.slice(2));
