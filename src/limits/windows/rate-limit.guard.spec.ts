import { SkipThrottle, Throttle } from '@nestjs/throttler';
import {
  countedBy,
  endUser,
  guardOver,
  showing,
  type Counted,
  type Limits,
} from '../../../test/support/end-user-windows.js';
import { pause } from '../../../test/support/eventually.js';
import { testSettings } from '../../../test/support/settings.js';
import type { Principal, PublishableKey } from '../../identity/index.js';
import { MemoryRateWindowStore } from './memory-rate-window.store.js';
import type { RateLimitGuard } from './rate-limit.guard.js';

const WINDOW_SECONDS = 600;

let guard: RateLimitGuard;

beforeEach(async () => {
  guard = await guardOver(
    new MemoryRateWindowStore(WINDOW_SECONDS * 1000),
    testSettings({ rateWindowSeconds: WINDOW_SECONDS, requestsPerMinute: 3 }),
  );
});

const ask = (human: string, limits: Limits): Promise<Counted> =>
  countedBy(guard, { principal: endUser('pk', human, limits) });
const KEY = { tenantId: 'acme', keyId: 'key', scopes: new Set<never>(), requestsPerMinute: 5 };
const PERSON = { userId: 'ann', email: null, emailVerified: false };

describe('the window that is shown', () => {
  it.each<[string, Principal, string, number]>([
    ["a secret key's own", { kind: 'secretKey', human: null, ...KEY }, 'key', 5],
    ["a secret key's own, whichever human is named", { kind: 'secretKey', human: 'ann', ...KEY }, 'key', 5],
    ["a secret key's own, when it acts for a human", { kind: 'impersonation', human: 'ann', ...KEY }, 'key', 5],
    [
      "a usage token's human's own, at its key",
      {
        kind: 'usageToken',
        ...{ tenantId: 'acme', tokenId: 'ut_1', keyId: 'key', human: 'ann' },
        ...{ scopes: new Set<never>(), requestsPerMinutePerHuman: 4 },
      },
      'human',
      4,
    ],
    ["a dashboard user's own", { kind: 'dashboardUser', tenantId: 'acme', role: 'owner', ...PERSON }, 'user', 3],
    ["a person's own outside any tenant", { kind: 'account', claimsTenant: false, ...PERSON }, 'user', 3],
  ])('is %s', async (_whose, principal, policy, limit) => {
    const { allowed, headers } = await countedBy(guard, { principal });
    expect(allowed).toBe(true);
    expect(headers).toMatchObject({
      ...showing(policy, limit, limit - 1),
      'ratelimit-policy': `"${policy}";q=${limit};w=${WINDOW_SECONDS}`,
    });
  });

  it('is the same for a person in every tenant', async () => {
    for (const [index, tenantId] of ['acme', 'other'].entries()) {
      const { headers } = await countedBy(guard, {
        principal: { kind: 'dashboardUser', tenantId, role: 'owner', ...PERSON },
      });
      expect(headers).toMatchObject(showing('user', 3, 2 - index));
    }
  });

  it('is the one with fewer places left, of the human or of the key', async () => {
    expect((await ask('ann', { perKey: 10, perHuman: 5 })).headers).toMatchObject(showing('human', 5, 4));
    expect((await ask('ben', { perKey: 10, perHuman: 20 })).headers).toMatchObject(showing('key', 10, 8));
    // By the places left, not by the limit.
    for (let index = 0; index < 6; index += 1) await ask('cleo', { perKey: 10, perHuman: 20 });
    expect((await ask('ann', { perKey: 10, perHuman: 5 })).headers).toMatchObject(showing('key', 10, 1));
  });

  it('is the one that closes later where both have equally many places left', async () => {
    await ask('ann', { perKey: 6, perHuman: 60 });
    await pause(1100);
    const { headers } = await ask('ben', { perKey: 6, perHuman: 5 });
    expect(headers).toMatchObject(showing('human', 5, 4));
    const later = Number(headers['x-ratelimit-reset']);
    expect(later).toBeGreaterThan(Number((await ask('ann', { perKey: 6, perHuman: 60 })).headers['x-ratelimit-reset']));
  });

  it('is the one that refused', async () => {
    const limits = { perKey: 3, perHuman: 2 };
    for (let index = 0; index < 2; index += 1) expect(await ask('ann', limits)).toMatchObject({ allowed: true });
    expect(await ask('ann', limits)).toMatchObject({ allowed: false, headers: showing('human', 2, 0) });
    expect(await ask('ben', limits)).toMatchObject({ allowed: true, headers: showing('key', 3, 0) });
    expect(await ask('ben', limits)).toMatchObject({ allowed: false, headers: showing('key', 3, 0) });
    expect(await ask('ann', limits)).toMatchObject({ allowed: false, headers: showing('human', 2, 0) });
  });

  it('gives with a refusal the time to retry: when that window closes, and not before', async () => {
    const limits = { perKey: 1, perHuman: 60 };
    await ask('ann', limits);
    const { headers, retryAfterSeconds } = await ask('ann', limits);
    expect(retryAfterSeconds).toBe(Number(/t=(\d+)$/.exec(headers['ratelimit']!)![1]));
    expect(Date.now() / 1000 + retryAfterSeconds!).toBeGreaterThanOrEqual(Number(headers['x-ratelimit-reset']) - 1);
  });
});

describe('the IETF pair', () => {
  /** A List of Strings with Integer parameters, as RFC 9651 has it: `"name";a=1;b=2, "name";a=3`. */
  function members(field: string | undefined): [string, Record<string, number>][] {
    const list =
      /^("[\x20-\x21\x23-\x5b\x5d-\x7e]+"(;[a-z]+=\d{1,15})+)(, "[\x20-\x21\x23-\x5b\x5d-\x7e]+"(;[a-z]+=\d{1,15})+)*$/;
    expect(field).toMatch(list);
    return field!.split(', ').map((member) => {
      const [name, ...parameters] = member.split(';');
      const pairs = parameters.map((parameter) => parameter.split('='));
      return [
        String(JSON.parse(name!)),
        Object.fromEntries(pairs.map(([key, value]): [string, number] => [key!, Number(value)])),
      ];
    });
  }

  it.each([
    ['passes', 3, true],
    ["is refused by the human's full window", 0, false],
  ])(
    'lists both policies where an end user %s, and the places left of the tighter one',
    async (_how, perHuman, allowed) => {
      const counted = await ask('ann', { perKey: 1000, perHuman });
      expect(counted.allowed).toBe(allowed);
      expect(members(counted.headers['ratelimit-policy'])).toEqual([
        ['human', { q: perHuman, w: WINDOW_SECONDS }],
        ['key', { q: 1000, w: WINDOW_SECONDS }],
      ]);
      const left = members(counted.headers['ratelimit']);
      expect(left).toEqual([['human', { r: Math.max(0, perHuman - 1), t: expect.any(Number) as number }]]);
    },
  );

  it('stays the same from one answer to the next except for the places left', async () => {
    const policies = new Set<string | undefined>();
    for (let index = 0; index < 5; index += 1) {
      policies.add((await ask('ann', { perKey: 3, perHuman: 2 })).headers['ratelimit-policy']);
    }
    expect(policies.size).toBe(1);
  });

  it("shows only the key's policy where the JWT beside it was refused", async () => {
    const recognisedKey = { keyId: 'pk', requestsPerMinute: 7 } as PublishableKey;
    const { headers } = await countedBy(guard, { principal: null, recognisedKey });
    expect(members(headers['ratelimit-policy'])).toEqual([['key', { q: 7, w: WINDOW_SECONDS }]]);
    expect(members(headers['ratelimit'])).toEqual([['key', { r: 7, t: WINDOW_SECONDS }]]);
  });
});

it('a request without a credential gets no window', async () => {
  expect(await countedBy(guard, { principal: null })).toEqual({
    allowed: true,
    headers: {},
    retryAfterSeconds: undefined,
  });
});

describe("a route with the library's decorators", () => {
  class Decorated {
    @Throttle({ caller: { limit: 1, ttl: WINDOW_SECONDS * 1000 } })
    narrow(): void {}

    @SkipThrottle({ caller: true })
    free(): void {}
  }
  const principal: Principal = { kind: 'secretKey', human: null, ...KEY };

  it('has its own limit', async () => {
    const { narrow } = Decorated.prototype;
    expect(await countedBy(guard, { principal }, narrow)).toMatchObject({
      allowed: true,
      headers: showing('key', 1, 0),
    });
    expect((await countedBy(guard, { principal }, narrow)).allowed).toBe(false);
  });

  it('is not counted where it says so', async () => {
    expect(await countedBy(guard, { principal }, Decorated.prototype.free)).toMatchObject({
      allowed: true,
      headers: {},
    });
  });
});
