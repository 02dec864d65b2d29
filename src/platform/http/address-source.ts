import ipaddr from 'ipaddr.js';

/**
 * What an address counts as. An IPv6 customer has a /64 at least, and may use any address in it; an IPv4-mapped address
 * counts as the IPv4 address, since it may come so on another socket. All malformed addresses (a proxy wrote them) count as
 * one, so that nonsense does not give a fresh start.
 */
export function sourceOf(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown';
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const network = parsed.parts.slice(0, 4).map((part) => part.toString(16));
  return `${network.join(':')}::/64`;
}
