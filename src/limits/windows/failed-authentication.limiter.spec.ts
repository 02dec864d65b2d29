import { testSettings } from '../../../test/support/settings.js';
import { ExpiredCredentialFault, refusedCredential } from '../../identity/index.js';
import type { Fault } from '../../platform/errors/index.js';
import { FailedAuthenticationLimiter } from './failed-authentication.limiter.js';
import { MemoryRateWindowStore } from './memory-rate-window.store.js';

describe('failures', () => {
  const LIMIT = 30;
  let limiter: FailedAuthenticationLimiter;

  beforeEach(() => {
    limiter = new FailedAuthenticationLimiter(
      new MemoryRateWindowStore(600_000),
      testSettings({ failedAuthenticationsPerMinute: LIMIT, rateWindowSeconds: 600 }),
    );
  });

  const fail = (address: string, failure: Fault = refusedCredential('unknown_or_revoked_key')): Promise<Fault> =>
    limiter.weigh(address, failure);
  const failMany = async (count: number, address: string): Promise<string[]> =>
    (await Promise.all(Array.from({ length: count }, () => fail(address)))).map(({ kind }) => kind);

  it('are returned unchanged up to the limit, and then as too many, with the time to retry', async () => {
    const failure = refusedCredential('unknown_or_revoked_key');
    for (let index = 0; index < LIMIT; index += 1) expect(await fail('203.0.113.7', failure)).toBe(failure);
    const refused = await fail('203.0.113.7', failure);
    expect(refused).toMatchObject({ kind: 'rate_limited', status: 429 });
    expect(refused.retryAfterSeconds).toBeGreaterThan(500);
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(600);
    expect(refused.message).not.toContain('203.0.113.7');
  });

  it('that are simultaneous are too many after exactly the limit', async () => {
    const kinds = await failMany(300, '203.0.113.7');
    expect(kinds.filter((kind) => kind === 'unauthenticated')).toHaveLength(LIMIT);
    expect(kinds.filter((kind) => kind === 'rate_limited')).toHaveLength(300 - LIMIT);
  });

  it.each([
    ['from one IPv6 network', '2001:db8:1:2::1', '2001:db8:1:2:dead:beef:0:1', true],
    ['from two IPv6 networks', '2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['from an IPv4 address, plain and in IPv6', '203.0.113.7', '::ffff:203.0.113.7', true],
    ['from two IPv4 addresses', '203.0.113.7', '203.0.113.8', false],
    ['from two unreadable addresses', 'nonsense', 'more nonsense', true],
  ])('%s: %s and %s count together (%s)', async (_what, one, other, together) => {
    await failMany(LIMIT, one);
    expect((await fail(other)).kind).toBe(together ? 'rate_limited' : 'unauthenticated');
  });

  it('by expiry never count, and stay unchanged where others were too many', async () => {
    const expired = new ExpiredCredentialFault('expired_key');
    for (let index = 0; index < 3 * LIMIT; index += 1) expect(await fail('203.0.113.7', expired)).toBe(expired);
    expect(new Set(await failMany(LIMIT, '203.0.113.7'))).toEqual(new Set(['unauthenticated']));
    expect((await fail('203.0.113.7')).kind).toBe('rate_limited');
    expect(await fail('203.0.113.7', expired)).toBe(expired);
  });
});
