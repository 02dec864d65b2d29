import dns, { type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForbiddenAddressError, type AddressPolicy } from './outbound-address.js';

/** How much longer than the IPv4 addresses the IPv6 ones may take: some name servers never answer that question. */
const IPV6_GRACE_MS = 1_000;

/**
 * A socket's look-up for names that a tenant chose. The socket connects to exactly the addresses that were judged here, so
 * that a name whose next answer is another gains nothing. One forbidden address refuses the whole name: the socket could take
 * any of them.
 */
export function guardedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options, callback) => {
    resolveHost(hostname).then(
      (found) => {
        const refused = found.find(({ address }) => !policy.allows(address));
        const [first] = found;
        if (refused !== undefined) callback(new ForbiddenAddressError(hostname, refused.address), []);
        else if (options.all !== true && first !== undefined) callback(null, first.address, first.family);
        else callback(null, found);
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    );
  };
}

/**
 * All addresses of a name, by DNS alone and never by `dns.lookup`: that takes one of the process's four threads for as long
 * as the name's own servers like, and a tenant could stop every other look-up and file access with four slow names. It also
 * leaves out the hosts file and the search list, through which a name would mean something else here than to the tenant.
 */
async function resolveHost(hostname: string): Promise<LookupAddress[]> {
  if (/(?:^|\.)localhost\.?$/.test(hostname)) return [{ address: '127.0.0.1', family: 4 }];
  // Through the module: `dns.setServers` puts other functions in the place of these.
  const v4 = dns.promises.resolve4(hostname);
  const v6 = dns.promises.resolve6(hostname).catch(() => [] as string[]);
  const late = v4.then(
    () => sleep(IPV6_GRACE_MS, [] as string[], { ref: false }),
    () => v6,
  );
  const [four, six] = await Promise.all([v4.catch(() => [] as string[]), Promise.race([v6, late])]);
  // Neither: what was said of IPv4 tells why.
  if (four.length + six.length === 0) await v4;
  return [...four.map((address) => ({ address, family: 4 })), ...six.map((address) => ({ address, family: 6 }))];
}
