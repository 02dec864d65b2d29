import { Fault, type FieldFault } from '../platform/errors/index.js';

/** The two rates of a key that a tenant sets. */
interface Rates {
  readonly requestsPerMinute?: number | undefined;
  readonly requestsPerMinutePerHuman?: number | undefined;
}

/** @throws Fault invalid_input: more than the operator allows tenants to set */
export function assertRatesBelow(most: number, { requestsPerMinute, requestsPerMinutePerHuman }: Rates = {}): void {
  const reason = `must be at most ${most}; the operator sets this limit by GATEHOUSE_MOST_REQUESTS_PER_MINUTE`;
  const fields: FieldFault[] = Object.entries({ requestsPerMinute, requestsPerMinutePerHuman })
    .filter(([, rate]) => rate !== undefined && rate > most)
    .map(([name]) => ({ field: `rateLimit.${name}`, reason }));
  if (fields.length === 0) return;
  throw new Fault('invalid_input', fields.map(({ field }) => `${field}: ${reason}`).join('; '), { fields });
}

/** The effective requests a minute: the tenant's number, but never more than the operator allows; null: the service's default. */
export function rateThatHolds(set: number | null, serviceDefault: number, most: number): number {
  return set === null ? serviceDefault : Math.min(set, most);
}
