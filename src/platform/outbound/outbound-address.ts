import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** All of IPv6 that is assigned as global unicast; loopback and the ranges beside it are outside. */
const GLOBAL_IPV6 = rangesOf(['2000::/3']);

/**
 * Public-looking addresses of a cloud's own services. Azure's gives a machine's configuration and certificates to its programs.
 */
const CLOUD_SERVICES = rangesOf(['168.63.129.16/32']);

/**
 * The addresses that a tenant may make us call: public ones, and those that the operator allows.
 *
 * An address that is not known to be public is refused. So is every address that carries another one (mapped, NAT64, 6to4,
 * Teredo): unknown machines decide where it leads.
 */
export class AddressPolicy {
  /** Whether the operator allows anything beyond public addresses. */
  readonly hasExceptions: boolean;
  private readonly exceptions: BlockList;

  /** @param allowCidrs Ranges that are allowed even if they are private. */
  constructor(allowCidrs: readonly string[]) {
    this.hasExceptions = allowCidrs.length > 0;
    this.exceptions = rangesOf(allowCidrs);
  }

  /** @param address As a socket or a resolver spells it; anything else is refused. */
  allows(address: string): boolean {
    // A socket to ::ffff:10.0.0.1 talks to 10.0.0.1; Node's ranges match both spellings.
    return isIP(address) !== 0 && (isPublic(address) || isWithin(this.exceptions, address));
  }
}

/**
 * A tenant's name or URL led to an address that is not allowed. The message is for the log: it says
 * what the operator could allow.
 */
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

/** Node's class is named for blocking, but is used here as a list of ranges. */
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
