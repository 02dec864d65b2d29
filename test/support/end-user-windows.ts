/** Tests of an end user's two windows for every store: the guard itself, over the store's replicas. */
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import type { EndUserPrincipal, Principal, PublishableKey } from '../../src/identity/index.js';
import { Fault } from '../../src/platform/errors/index.js';
import { RateLimitGuard, RateWindowStorage, rateLimitOptions, type RateWindowStore } from '../../src/limits/index.js';
import type { Settings } from '../../src/platform/config/index.js';
import { testSettings } from './settings.js';

export interface Counted {
  readonly allowed: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly retryAfterSeconds: number | undefined;
}

/** The caller that the authentication guard would have put on a request. */
export interface Asking {
  readonly principal: Principal | null;
  readonly recognisedKey?: PublishableKey | null;
}

/** The guard as the application creates it. */
export async function guardOver(store: RateWindowStore, settings: Settings): Promise<RateLimitGuard> {
  const storage = new RateWindowStorage(store);
  const guard = new RateLimitGuard(rateLimitOptions(storage, settings), storage);
  await guard.onModuleInit();
  return guard;
}

/** The route that the guard needs. */
class AnyController {
  answer(): void {}
}

/** Sends one request through the guard; any error other than a refusal by a full window fails the test. */
export async function countedBy(
  guard: RateLimitGuard,
  { principal, recognisedKey = null }: Asking,
  handler = AnyController.prototype.answer,
): Promise<Counted> {
  const headers: Record<string, string> = {};
  const reply = { header: (name: string, value: string) => (headers[name] = value) };
  try {
    const context = new ExecutionContextHost(
      [{ principal, recognisedKey, url: '/api/v1/anything' }, reply],
      AnyController,
      handler,
    );
    const allowed = await guard.canActivate(context);
    return { allowed, headers, retryAfterSeconds: undefined };
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== 'rate_limited') throw error;
    return { allowed: false, headers, retryAfterSeconds: error.retryAfterSeconds };
  }
}

export interface Limits {
  readonly perKey: number;
  readonly perHuman: number;
}

export function endUser(keyId: string, human: string, { perKey, perHuman }: Limits): EndUserPrincipal {
  return {
    kind: 'endUser',
    tenantId: 'acme',
    keyId,
    scopes: new Set(),
    human,
    origin: null,
    requestsPerMinute: perKey,
    requestsPerMinutePerHuman: perHuman,
  };
}

/** The headers that show the window of `limit` requests with so many left, by the name of its policy. */
export function showing(policy: string, limit: number, remaining: number): object {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    ratelimit: expect.stringMatching(new RegExp(`^"${policy}";r=${remaining};t=[1-9]\\d*$`)) as string,
  };
}

/** @param stores the stores that count together, as replicas do */
export function describeEndUserWindows(stores: () => readonly RateWindowStore[], windowSeconds: number): void {
  describe('of an end user', () => {
    let guards: RateLimitGuard[];
    let sequence = 0;
    let keyId: string;

    beforeEach(async () => {
      const settings = testSettings({ rateWindowSeconds: windowSeconds });
      guards = await Promise.all(stores().map((store) => guardOver(store, settings)));
      sequence += 1;
      keyId = `pk_${sequence}`;
    });

    const HUMANS = ['ann', 'ben', 'cleo', 'dan', 'eve'];

    /** Sends a number of requests of each human at once, spread over the replicas. */
    const ask = async (humans: readonly string[], each: number, limits: Limits): Promise<Map<string, Counted[]>> => {
      const asked = humans.flatMap((human) => Array.from({ length: each }, () => human));
      const counted = await Promise.all(
        asked.map((human, index) =>
          countedBy(guards[index % guards.length]!, { principal: endUser(keyId, human, limits) }),
        ),
      );
      const byHuman = new Map<string, Counted[]>(humans.map((human) => [human, []]));
      counted.forEach((one, index) => byHuman.get(asked[index]!)!.push(one));
      return byHuman;
    };
    const passed = (counted: readonly Counted[]): number => counted.filter(({ allowed }) => allowed).length;
    const passedOf = (byHuman: ReadonlyMap<string, Counted[]>): number => passed([...byHuman.values()].flat());
    /** A human's used places, read by a limit far above them. */
    const usedBy = async (human: string, limits: Limits): Promise<number> => {
      const [counted] = (await ask([human], 1, limits)).get(human)!;
      return limits.perHuman - Number(counted!.headers['x-ratelimit-remaining']) - 1;
    };

    it.each([1, 7, 60])('lets exactly %d of 300 requests of each human pass that come at once', async (perHuman) => {
      const byHuman = await ask(HUMANS, 300, { perKey: 1_000_000, perHuman });
      expect([...byHuman.values()].map(passed)).toEqual(HUMANS.map(() => perHuman));
    });

    it.each([1, 37, 120])('lets exactly %d requests pass that the key has for all humans together', async (perKey) => {
      const byHuman = await ask(HUMANS, 200, { perKey, perHuman: 30 });
      expect(passedOf(byHuman)).toBe(perKey);
      for (const counted of byHuman.values()) expect(passed(counted)).toBeLessThanOrEqual(30);
      expect(passedOf(await ask(HUMANS, 5, { perKey, perHuman: 30 }))).toBe(0);
    });

    it('takes nothing from the key for a human who used up their own window: the others have the rest', async () => {
      const limits = { perKey: 50, perHuman: 20 };
      expect(passedOf(await ask(['ann'], 400, limits))).toBe(20);
      expect(passedOf(await ask(['ben'], 20, limits))).toBe(20);
      expect(passedOf(await ask(['cleo'], 20, limits))).toBe(10);
    });

    it("counts no request in the human's window that the key refused", async () => {
      const limits = { perKey: 10, perHuman: 40 };
      const first = await ask(HUMANS, 100, limits);
      expect(passedOf(first)).toBe(10);
      // With room in the key's window again, each human has exactly the places not used.
      const after = await ask(HUMANS, 100, { perKey: 1_000_000, perHuman: 40 });
      for (const human of HUMANS) expect(passed(first.get(human)!) + passed(after.get(human)!)).toBe(40);
    });

    it("counts each of a key's humans separately, and the same human separately at another key", async () => {
      const limits = { perKey: 1_000_000, perHuman: 1000 };
      await ask(['ann'], 3, limits);
      expect(await usedBy('ann', limits)).toBe(3);
      expect(await usedBy('Ann', limits)).toBe(0);
      keyId += '-other';
      expect(await usedBy('ann', limits)).toBe(0);
    });

    it("counts a secret key's calls for any human in the key's own window", async () => {
      const secret: Principal = {
        kind: 'secretKey',
        tenantId: 'acme',
        keyId: `sk_${sequence}`,
        scopes: new Set(),
        human: 'ann',
        requestsPerMinute: 2,
      };
      const asking = { principal: secret };
      expect((await countedBy(guards[0]!, asking)).headers).toMatchObject(showing('key', 2, 1));
      const acting = { principal: { ...secret, kind: 'impersonation', human: 'ben' } as Principal };
      expect((await countedBy(guards[0]!, acting)).headers).toMatchObject(showing('key', 2, 0));
      expect(await countedBy(guards[0]!, asking)).toMatchObject({ allowed: false });
    });

    it("shows a recognised key's window without counting, where no user was recognised with it", async () => {
      const limits = { perKey: 5, perHuman: 5 };
      const key = { keyId, requestsPerMinute: 5 } as PublishableKey;
      const refused = (): Promise<Counted> => countedBy(guards[0]!, { principal: null, recognisedKey: key });
      for (let index = 0; index < 10; index += 1) {
        expect(await refused()).toMatchObject({ allowed: true, headers: showing('key', 5, 5) });
      }
      expect(passedOf(await ask(['ann'], 2, limits))).toBe(2);
      expect((await refused()).headers).toMatchObject(showing('key', 5, 3));
      await ask(['ben'], 5, limits);
      expect(await refused()).toMatchObject({
        allowed: true,
        headers: showing('key', 5, 0),
        retryAfterSeconds: undefined,
      });
    });
  });
}
