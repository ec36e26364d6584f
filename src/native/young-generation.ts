/**
 * Keeps V8's space for new objects as small as it is when a process starts; it would grow to 32 MiB. Streams of buffers and
 * lists of objects fill it however large it is: an image of 1.1 GB is pulled and unpacked with some 130 MB of memory, and with
 * 152 otherwise, in no more time. For podspace's own processes: it holds for all of a process.
 */
export function keepYoungGenerationSmall(): void {
  // To load it takes 2 ms, and most commands pull nothing.
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString('--semi-space-growth-factor=1');
}
