import type { Container } from '../../kube/types.generated.ts';

/** A port by number, or by the name that the container gives it; a UDP port's name counts too, as for a kubelet. */
export function resolvePort(
  port: string | number | undefined,
  { ports = [] }: Container,
): number | { readonly error: string } {
  const number = typeof port === 'string' ? numberOf(port, ports) : (port ?? 0);
  if (number === undefined) return { error: `strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax` };
  return number > 0 && number < 65536 ? number : { error: `invalid port number: ${number}` };
}

function numberOf(name: string, ports: NonNullable<Container['ports']>): number | undefined {
  const named = ports.find(port => port.name === name);
  if (named !== undefined) return named.containerPort;
  // A number can be written as text.
  return /^\d+$/.test(name) ? Number(name) : undefined;
}
