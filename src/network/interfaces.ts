import { readAddress } from './messages/addresses.ts';
import { readLink } from './messages/links.ts';
import type { Message } from './messages/messages.ts';
import { mustSucceed, NetlinkSocket } from './netlink-socket.ts';

/** A device of a network namespace. */
export interface Interface {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** With the length of their prefix, `10.244.0.1/32`. */
  readonly addresses: readonly string[];
}

/** The devices of the network namespace that a path of /proc names, asked of the kernel at this moment. */
export async function interfacesIn(path: string): Promise<readonly Interface[]> {
  const socket = NetlinkSocket.openIn(path);
  try {
    const [links, addresses] = [await list(socket, 'listLinks'), await list(socket, 'listAddresses')];
    const known = addresses.map(readAddress);
    return links.map(readLink).map(({ index, name, mac, mtu }) => ({
      name,
      mac,
      mtu,
      addresses: known
        .filter(one => one.index === index)
        .map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    }));
  } finally {
    socket.close();
  }
}

/** One list at a time: the kernel makes only one for a socket. */
async function list(
  socket: NetlinkSocket,
  kind: 'listLinks' | 'listAddresses',
): Promise<readonly Uint8Array[]> {
  const messages: readonly Message[] = [{ kind }];
  const replies = await socket.exchange(messages);
  mustSucceed(messages, replies);
  return replies.flatMap(({ data }) => data);
}
