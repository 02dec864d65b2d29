import { mock } from 'node:test';
import { eventually, watch } from '../../test/support/eventually.js';
import '../../test/support/settings.js';
import type { AccountStatus, AccountStatusSource } from './account-status-source.js';
import { CachedAccountStatus, type CachedAccountStatusOptions } from './account-status.js';

const SIGNED_IN = 1_800_000_000;
const ACTIVE: AccountStatus = { state: 'active', tokensValidAfter: SIGNED_IN - 1000 };
const DISABLED: AccountStatus = { ...ACTIVE, state: 'disabled' };
const BELIEVED_FOR_MS = 1000;

/** An issuer whose answers a test sets; all other users are active. */
class StatedIssuer implements AccountStatusSource {
  readonly statuses = new Map<string, AccountStatus | null>();
  readonly calls: (readonly string[])[] = [];
  failure: Error | null = null;
  /** While set, answers wait for it. */
  held: Promise<void> | null = null;
  underWay = 0;
  mostUnderWay = 0;

  async lookUp(userIds: readonly string[]): Promise<ReadonlyMap<string, AccountStatus>> {
    this.calls.push(userIds);
    this.underWay += 1;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const found = new Map<string, AccountStatus>();
    for (const userId of userIds) {
      const status = this.statuses.get(userId);
      if (status !== null) found.set(userId, status ?? ACTIVE);
    }
    try {
      await this.held;
      if (this.failure !== null) throw this.failure;
      return found;
    } finally {
      this.underWay -= 1;
    }
  }

  /** Keeps answers back until the function that this gives is called. */
  hold(): () => void {
    let release = (): void => undefined;
    this.held = new Promise((resolve) => (release = resolve));
    return () => {
      this.held = null;
      release();
    };
  }
}

let issuer: StatedIssuer;
let nowMs: number;

beforeEach(() => {
  issuer = new StatedIssuer();
  nowMs = 5_000_000;
});

afterEach(() => mock.timers.reset());

/** Lets the time pass in which questions behind requests' backs are gathered; the timers are the test's. */
async function gathered(): Promise<void> {
  mock.timers.tick(BELIEVED_FOR_MS / 10);
  await new Promise((resolve) => setImmediate(resolve));
}

function accountsOf(options: Partial<CachedAccountStatusOptions> = {}): CachedAccountStatus {
  return new CachedAccountStatus({
    source: issuer,
    believedForSeconds: BELIEVED_FOR_MS / 1000,
    maxEntries: 100_000,
    monotonicNowMs: () => nowMs,
    ...options,
  });
}

/** The status of a request: 200, 401 or 503. */
async function check(accounts: CachedAccountStatus, userId = 'user-1', signedInAt = SIGNED_IN): Promise<number> {
  try {
    await accounts.assertActive(userId, signedInAt);
    return 200;
  } catch (error) {
    return (error as { status: number }).status;
  }
}

/** True where the answer was cached. */
function isWarm(accounts: CachedAccountStatus, userId = 'user-1'): boolean {
  return accounts.assertActive(userId, SIGNED_IN) === undefined;
}

describe('who may use a token', () => {
  it.each<[string, AccountStatus | null, number]>([
    ['an active user', ACTIVE, 200],
    ['a disabled user', DISABLED, 401],
    ['a user whom the issuer does not know any more', null, 401],
    ['a user whose sign-in was revoked', { state: 'active', tokensValidAfter: SIGNED_IN + 1 }, 401],
    ['a user who signed in within the second of the revocation', { state: 'active', tokensValidAfter: SIGNED_IN }, 200],
    ['a user without any such second', { state: 'active', tokensValidAfter: null }, 200],
    ['a disabled user without any such second', { state: 'disabled', tokensValidAfter: null }, 401],
  ])('%s: %j is %i, at once and from memory', async (_who, status, expected) => {
    issuer.statuses.set('user-1', status);
    const accounts = accountsOf();
    expect(await check(accounts)).toBe(expected);
    expect(await check(accounts)).toBe(expected);
    expect(issuer.calls).toEqual([['user-1']]);
  });

  it('a new sign-in after a revocation is accepted from the cache, while the old one is refused', async () => {
    issuer.statuses.set('user-1', { state: 'active', tokensValidAfter: SIGNED_IN });
    const accounts = accountsOf();
    expect(await check(accounts, 'user-1', SIGNED_IN - 1)).toBe(401);
    expect(await check(accounts, 'user-1', SIGNED_IN + 1)).toBe(200);
    expect(issuer.calls).toHaveLength(1);
  });

  it('one user is never taken for another', async () => {
    issuer.statuses.set('user-1', DISABLED);
    const accounts = accountsOf();
    expect(await Promise.all(['user-1', 'user-2'].map((user) => check(accounts, user)))).toEqual([401, 200]);
    expect(await check(accounts, 'user-2')).toBe(200);
    expect(await check(accounts, 'user-1')).toBe(401);
  });
});

describe('when the issuer is asked', () => {
  it('once, for any number of requests of one user at a time', async () => {
    const accounts = accountsOf();
    expect(new Set(await Promise.all(Array.from({ length: 100 }, () => check(accounts))))).toEqual(new Set([200]));
    expect(issuer.calls).toEqual([['user-1']]);
  });

  it('not at all before half of the time is over', async () => {
    const accounts = accountsOf();
    await check(accounts);
    nowMs += BELIEVED_FOR_MS / 2 - 1;
    mock.timers.enable({ apis: ['setTimeout'] });
    expect(isWarm(accounts)).toBe(true);
    await gathered();
    expect(issuer.calls).toHaveLength(1);
  });

  it("after half of the time behind the request's back, once", async () => {
    const accounts = accountsOf();
    await check(accounts);
    nowMs += BELIEVED_FOR_MS / 2;
    issuer.statuses.set('user-1', DISABLED);
    for (let i = 0; i < 10; i += 1) expect(isWarm(accounts)).toBe(true);
    await eventually(async () => expect(await check(accounts)).toBe(401));
    expect(issuer.calls).toEqual([['user-1'], ['user-1']]);
  });

  it("behind requests' backs about all whom it is time for in one call", async () => {
    const accounts = accountsOf();
    const users = ['user-1', 'user-2', 'user-3'];
    for (const user of users) await check(accounts, user);
    nowMs += BELIEVED_FOR_MS / 2;
    mock.timers.enable({ apis: ['setTimeout'] });
    for (const user of users) {
      expect(isWarm(accounts, user)).toBe(true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await gathered();
    expect(issuer.calls).toHaveLength(4);
    expect(issuer.calls.at(-1)).toEqual(users);
  });

  it('after the whole time before the request is served', async () => {
    const accounts = accountsOf();
    await check(accounts);
    nowMs += BELIEVED_FOR_MS;
    issuer.statuses.set('user-1', DISABLED);
    expect(await check(accounts)).toBe(401);
  });

  it('before the request is served too where a question behind its back has not gone out yet', async () => {
    const accounts = accountsOf({ believedForSeconds: 60 });
    await check(accounts);
    nowMs += 30_000;
    expect(isWarm(accounts)).toBe(true);
    nowMs += 30_000;
    issuer.statuses.set('user-1', DISABLED);
    expect(await check(accounts)).toBe(401);
    expect(issuer.calls).toHaveLength(2);
  });

  it('again when the time since the question is over, however late the answer came', async () => {
    const accounts = accountsOf();
    const release = issuer.hold();
    const first = check(accounts);
    await eventually(() => expect(issuer.calls).toHaveLength(1));
    nowMs += BELIEVED_FOR_MS;
    release();
    expect(await first).toBe(200);
    issuer.statuses.set('user-1', DISABLED);
    expect(await check(accounts)).toBe(401);
  });

  it('again about a refused user, when the time is over and not at every request', async () => {
    issuer.statuses.set('user-1', DISABLED);
    const accounts = accountsOf();
    for (let i = 0; i < 20; i += 1) expect(await check(accounts)).toBe(401);
    expect(issuer.calls).toHaveLength(1);
    issuer.statuses.set('user-1', ACTIVE);
    nowMs += BELIEVED_FOR_MS;
    expect(await check(accounts)).toBe(200);
  });

  it('again about a user for whom the cache had no room', async () => {
    const accounts = accountsOf({ maxEntries: 2 });
    for (const user of ['user-1', 'user-2', 'user-3']) await check(accounts, user);
    expect(isWarm(accounts, 'user-3')).toBe(true);
    expect(await check(accounts, 'user-1')).toBe(200);
    expect(issuer.calls).toEqual([['user-1'], ['user-2'], ['user-3'], ['user-1']]);
  });
});

describe('while the issuer cannot be asked', () => {
  it('a known user is served until the time is over; then it is 503 with a time to retry, never 401', async () => {
    const accounts = accountsOf();
    await check(accounts);
    issuer.failure = new Error('connect ECONNREFUSED');
    nowMs += BELIEVED_FOR_MS - 1;
    expect(isWarm(accounts)).toBe(true);
    await eventually(() => expect(issuer.calls).toHaveLength(2));
    nowMs += 1000;
    await expect(accounts.assertActive('user-1', SIGNED_IN)).rejects.toMatchObject({
      kind: 'unavailable',
      retryAfterSeconds: expect.any(Number) as number,
    });
  });

  it('a user known as disabled stays refused until the time is over', async () => {
    issuer.statuses.set('user-1', DISABLED);
    const accounts = accountsOf();
    await check(accounts);
    issuer.failure = new Error('down');
    expect(await check(accounts)).toBe(401);
    nowMs += BELIEVED_FOR_MS;
    expect(await check(accounts)).toBe(503);
  });

  it('unknown users get 503 while known ones are served, until it is back', async () => {
    const accounts = accountsOf();
    await check(accounts, 'known');
    issuer.failure = new Error('down');
    expect(await Promise.all(['a', 'b', 'c'].map((user) => check(accounts, user)))).toEqual([503, 503, 503]);
    expect(await check(accounts, 'known')).toBe(200);
    issuer.failure = null;
    nowMs += 1000;
    expect(await check(accounts, 'a')).toBe(200);
  });

  it('it is not asked again for a second after a failure, and requests meanwhile wait', async () => {
    const accounts = accountsOf();
    issuer.failure = new Error('down');
    expect(await check(accounts, 'a')).toBe(503);
    issuer.failure = null;
    const waiting = watch(check(accounts, 'b'));
    nowMs += 999;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(issuer.calls).toEqual([['a']]);
    nowMs += 1;
    await eventually(() => expect(waiting.ending).toEqual({ value: 200 }));
    expect(issuer.calls).toEqual([['a'], ['b']]);
  });

  it('no request waits for a silent one without end', async () => {
    const accounts = accountsOf({ waitMs: 100 });
    const release = issuer.hold();
    expect(await check(accounts)).toBe(503);
    release();
    await eventually(async () => expect(await check(accounts)).toBe(200));
  });
});

describe('a wave of unknown people', () => {
  it('becomes few calls, each of at most a hundred users, at most four at a time', async () => {
    const accounts = accountsOf();
    const users = Array.from({ length: 2500 }, (_, index) => `user-${index}`);
    users.forEach((user, index) => issuer.statuses.set(user, index % 3 === 0 ? DISABLED : ACTIVE));
    const release = issuer.hold();
    const answers = Promise.all(users.map((user) => check(accounts, user)));
    await eventually(() => expect(issuer.underWay).toBe(4));
    release();
    expect(await answers).toEqual(users.map((_user, index) => (index % 3 === 0 ? 401 : 200)));
    expect(issuer.calls).toHaveLength(25);
    expect(issuer.mostUnderWay).toBe(4);
    expect(Math.max(...issuer.calls.map(({ length }) => length))).toBe(100);
    expect(new Set(issuer.calls.flat()).size).toBe(2500);
  });

  it('waits only while there is room: further requests are 503 at once', async () => {
    const accounts = accountsOf({ waitMs: 25_000 });
    const release = issuer.hold();
    const waiting = Array.from({ length: 10_000 }, (_, index) => check(accounts, `user-${index}`));
    expect(await check(accounts, 'one too many')).toBe(503);
    release();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([200]));
    expect(await check(accounts, 'one too many')).toBe(200);
  });
});
