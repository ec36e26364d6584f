import { closeSync } from 'node:fs';
import { F, SIG } from '../linux/constants.generated.ts';
import { SOCKET } from '../linux/sockets.ts';
import { syscall } from './libc.ts';

/** Sockets of one address and port of IPv4, one for each protocol. */
export interface QuietSockets {
  readonly udp: number;
  readonly tcp: number;
  readonly port: number;
}

/** Nobody is hurt who gets it without asking: signal(7) ignores it by default. */
const SIGNAL = 'SIGURG';
const BACKLOG = 128;

/** What is done when something comes, by the UDP socket. */
const waiting = new Map<number, () => void>();

/**
 * Sockets that are there for whoever sends something, but cost nothing until it has come: the kernel keeps it and sends a
 * signal (fcntl(2), O_ASYNC), upon which `onFirst` is called, once. Node's own sockets take 10 ms to load. A port of 0 is any
 * that is free. Throws a SyscallError with `code` EADDRINUSE if somebody has the port.
 */
export function listenQuietly(address: string, port: number, onFirst: () => void): QuietSockets {
  if (waiting.size === 0) process.on(SIGNAL, wake);
  const opened: number[] = [];
  const open = (type: number, number: number): number => {
    const fd = newSocket(type);
    opened.push(fd);
    bind(fd, address, number);
    return fd;
  };
  try {
    const udp = open(SOCKET.SOCK_DGRAM, port);
    const given = portOf(udp);
    const tcp = open(SOCKET.SOCK_STREAM, given);
    syscall('listen', [tcp, BACKLOG]);
    callOnce({ udp, tcp, port: given }, onFirst);
    // Signals are the main thread's: in a worker nobody would ever be told. (node:worker_threads would be loaded to ask it.)
    if (syscall('gettid', []) !== process.pid) queueMicrotask(wake);
    return { udp, tcp, port: given };
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    stopListening();
    throw error;
  }
}

/** The same with sockets that another process has listened to; something may have come since. */
export function listenAgain(sockets: QuietSockets, onFirst: () => void): QuietSockets {
  if (waiting.size === 0) process.on(SIGNAL, wake);
  for (const fd of [sockets.udp, sockets.tcp]) wantSignal(fd);
  callOnce(sockets, onFirst);
  queueMicrotask(wake);
  return sockets;
}

/** Closes sockets that nothing has come to. False for others: who was called owns them. */
export function closeQuiet({ udp, tcp }: QuietSockets): boolean {
  if (!forget(udp)) return false;
  for (const fd of [udp, tcp]) closeSync(fd);
  return true;
}

/** It is to be known of whatever comes, from the beginning. */
function newSocket(type: number): number {
  const fd = syscall('socket', [SOCKET.AF_INET, type | SOCKET.SOCK_NONBLOCK | SOCKET.SOCK_CLOEXEC, 0]);
  wantSignal(fd);
  const yes = Uint8Array.of(1, 0, 0, 0);
  if (type === SOCKET.SOCK_STREAM)
    syscall('setsockopt', [fd, SOCKET.SOL_SOCKET, SOCKET.SO_REUSEADDR, yes, yes.length]);
  return fd;
}

function callOnce({ udp, tcp }: QuietSockets, onFirst: () => void): void {
  waiting.set(udp, () => {
    for (const fd of [udp, tcp]) syscall('fcntl', [fd, F.F_SETFL, SOCKET.SOCK_NONBLOCK]);
    onFirst();
  });
}

function wantSignal(fd: number): void {
  syscall('fcntl', [fd, F.F_SETSIG, SIG.SIGURG]);
  syscall('fcntl', [fd, F.F_SETOWN, process.pid]);
  syscall('fcntl', [fd, F.F_SETFL, SOCKET.SOCK_NONBLOCK | SOCKET.O_ASYNC]);
}

/** Bytes of a struct sockaddr_in; ip(7). */
const SOCKADDR_SIZE = 16;

function bind(fd: number, address: string, port: number): void {
  const name = new Uint8Array(SOCKADDR_SIZE);
  const view = new DataView(name.buffer);
  view.setUint16(0, SOCKET.AF_INET, true);
  view.setUint16(2, port);
  name.set(address.split('.').map(Number), 4);
  syscall('bind', [fd, name, name.length], `${address}:${port}`);
}

function portOf(fd: number): number {
  const name = new Uint8Array(SOCKADDR_SIZE);
  syscall('getsockname', [fd, name, Uint8Array.of(name.length, 0, 0, 0)]);
  return new DataView(name.buffer).getUint16(2);
}

function forget(udp: number): boolean {
  const was = waiting.delete(udp);
  if (was) stopListening();
  return was;
}

function stopListening(): void {
  if (waiting.size === 0) process.off(SIGNAL, wake);
}

/** The signal does not say which one: what is called for nothing is only earlier than it must be. */
function wake(): void {
  for (const [udp, first] of [...waiting]) {
    forget(udp);
    first();
  }
}
