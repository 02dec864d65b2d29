import dns, { type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForbiddenAddressError, type AddressPolicy } from './outbound-address.js';

/** How much longer than the IPv4 answer the IPv6 one may take: some name servers never answer that question. */
const IPV6_GRACE_MS = 1_000;

/**
 * A socket's look-up for names that a tenant chose. The socket connects to the addresses that were judged here, so
 * that a name can't answer differently the next time. One forbidden address refuses the whole name, since the
 * socket could take any of them.
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
 * All addresses of a name, by DNS alone. `dns.lookup` would hold one of the process's four threads for as long as the name's
 * servers like: four slow names would stop all other look-ups and file access. It would also read the hosts file and the search
 * list, by which a name could mean another host here than to the tenant.
 */
async function resolveHost(hostname: string): Promise<LookupAddress[]> {
  if (/(?:^|\.)localhost\.?$/.test(hostname)) return [{ address: '127.0.0.1', family: 4 }];
  // Called through the module, since `dns.setServers` replaces these functions.
  const v4 = dns.promises.resolve4(hostname);
  const v6 = dns.promises.resolve6(hostname).catch(() => [] as string[]);
  const late = v4.then(
    () => sleep(IPV6_GRACE_MS, [] as string[], { ref: false }),
    () => v6,
  );
  const [four, six] = await Promise.all([v4.catch(() => [] as string[]), Promise.race([v6, late])]);
  // Without any address, the IPv4 answer's error says why.
  if (four.length + six.length === 0) await v4;
  return [...four.map((address) => ({ address, family: 4 })), ...six.map((address) => ({ address, family: 6 }))];
}
