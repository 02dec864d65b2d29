import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** All of IPv6 that is given out as global unicast; `::127.0.0.1` and whatever comes to be next to it lie outside. */
const GLOBAL_IPV6 = rangesOf(['2000::/3']);

/**
 * These look public but are a cloud's own: Azure's serves a machine's configuration and certificates to programs on it.
 */
const CLOUD_SERVICES = rangesOf(['168.63.129.16/32']);

/**
 * Which addresses a tenant may send us to: those that anybody on the internet may reach, and what the operator allows.
 *
 * What is not known to be public is refused. That goes for everything which carries another address inside (mapped, NAT64,
 * 6to4, Teredo) too: where it leads is decided by machines that we don't know.
 */
export class AddressPolicy {
  /** Whether the operator allows anything beyond public addresses. */
  readonly hasExceptions: boolean;
  private readonly exceptions: BlockList;

  /** @param allowCidrs Ranges that are allowed whatever they are. */
  constructor(allowCidrs: readonly string[]) {
    this.hasExceptions = allowCidrs.length > 0;
    this.exceptions = rangesOf(allowCidrs);
  }

  /** @param address As a socket or a resolver spells it; anything else is refused. */
  allows(address: string): boolean {
    // A socket that is asked for ::ffff:10.0.0.1 talks to 10.0.0.1, and Node's ranges take the one for the other.
    return isIP(address) !== 0 && (isPublic(address) || isWithin(this.exceptions, address));
  }
}

/** The address that a tenant's name or URL led to. Its message is for the log: it says what the operator could allow. */
export class ForbiddenAddressError extends Error {
  constructor(host: string, address: string) {
    super(`${host} resolves to ${address}, which is not public. Add its range to OUTBOUND_ALLOW_CIDRS to allow it.`);
    this.name = 'ForbiddenAddressError';
  }
}

function isPublic(address: string): boolean {
  if (ipaddr.parse(address).range() !== 'unicast' || isWithin(CLOUD_SERVICES, address)) return false;
  return isIP(address) === 4 || isWithin(GLOBAL_IPV6, address);
}

/** Node calls it a list of what is blocked; it is a list of ranges. */
function rangesOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address, bits] = ipaddr.parseCIDR(cidr);
    list.addSubnet(address.toString(), bits, address.kind());
  }
  return list;
}

function isWithin(ranges: BlockList, address: string): boolean {
  return ranges.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
