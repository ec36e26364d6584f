/** socket(2), from bits/socket.h. */
export const SOCKET = { AF_UNIX: 1, AF_INET: 2, SOCK_STREAM: 1, SOCK_DGRAM: 2 } as const;
