/** socket(2), send(2), recv(2): from bits/socket.h, which is the C library's; the same on both architectures. */
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
  SOL_NETLINK: 270,
  MSG_DONTWAIT: 0x40,
} as const;
