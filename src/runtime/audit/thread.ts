/** What runs in the thread of an audited container: a file of its own beside the bundle. */
import { parentPort, workerData } from 'node:worker_threads';
import { type ObserverInput, observe } from './observer.ts';

parentPort?.postMessage(observe(workerData as ObserverInput));
