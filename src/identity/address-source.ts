import ipaddr from 'ipaddr.js';

/**
 * What an address counts as. Of IPv6 a customer is given a /64 at least, and may use any address in it; an IPv4 address
 * in IPv6's clothes is the IPv4 address, as which it may come on another socket. What is no address (a proxy wrote what
 * it liked) is counted as one, so that nonsense gives no fresh start.
 */
export function sourceOf(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
