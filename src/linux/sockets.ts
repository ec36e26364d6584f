/** socket(2), send(2), recv(2), O_ASYNC: from bits/socket.h and others of the C library; the same on both architectures. */
export const SOCKET = {
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
  O_ASYNC: 0o20000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SOL_NETLINK: 270,
  MSG_PEEK: 2,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
} as const;
