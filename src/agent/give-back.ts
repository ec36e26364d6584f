import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepYoungGenerationSmall } from '../native/young-generation.ts';

/** Milliseconds of quiet after which memory is given back. */
const QUIET = 5000;

/**
 * To be called when something has happened. Some seconds after the last call V8 collects its garbage: by itself it does so
 * when it wants more memory, and an agent that has started many pods wants none for days.
 */
export function giveBackLater(): () => void {
  setFlagsFromString('--expose-gc');
  setFlagsFromString('--optimize-for-size');
  keepYoungGenerationSmall();
  const collect = runInNewContext('gc') as () => void;
  const timer = setTimeout(collect, QUIET).unref();
  return () => void timer.refresh();
}
