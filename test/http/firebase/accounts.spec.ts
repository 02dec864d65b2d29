/** Firebase decides whether a person may still sign in; its answer is trusted for a limited time. */
import { eventually, pause } from '../../support/eventually.js';
import { startService, type Identity, type Org, type TestService } from '../../support/service.js';

const CHECK_SECONDS = 1;
const CHECK_MS = CHECK_SECONDS * 1000;

let service: TestService;
let founders = 0;

beforeAll(async () => {
  service = await startService({
    settings: { accountCheckSeconds: CHECK_SECONDS, failedAuthenticationsPerMinute: 1_000_000 },
  });
});

afterAll(() => service.stop());

/** A user with an org who was served before. */
async function founder(on = service): Promise<Org> {
  founders += 1;
  const org = await on.createOrg(`founder-${founders}`);
  expect(await statusOf(org, {}, on)).toBe(200);
  return org;
}

async function statusOf({ user, tenantId }: Org, claims: Identity['claims'] = {}, on = service): Promise<number> {
  const headers = { authorization: `Bearer ${on.dashboardToken({ user, tenant: tenantId, claims })}` };
  const answer = await on.call('POST', '/api/v1/api-keys/list', { headers, body: {} });
  if (answer.status === 401) expect(answer.json()).toMatchObject({ error: { status: 'UNAUTHENTICATED' } });
  if (answer.status === 503) expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  return answer.status;
}

const seconds = (): number => Math.floor(Date.now() / 1000);

describe("a user (against a local stand-in for Google's endpoints)", () => {
  it('who is disabled is refused everywhere once the cached answer expires, and served again once enabled', async () => {
    const org = await founder();
    service.google.disabled.add(org.user);
    await pause(CHECK_MS);
    expect(await statusOf(org)).toBe(401);
    const headers = { authorization: `Bearer ${service.dashboardToken({ user: org.user })}` };
    const create = await service.call('POST', '/api/v1/orgs/create', { headers, body: { name: 'Another' } });
    expect(create.status).toBe(401);
    expect((await service.call('GET', '/v1/models', { headers })).status).toBe(401);
    service.google.disabled.delete(org.user);
    await pause(CHECK_MS);
    expect(await statusOf(org)).toBe(200);
  });

  it('who keeps working while they are disabled is refused too', async () => {
    const org = await founder();
    const over = new AbortController();
    const work = (async () => {
      while (!over.signal.aborted) await statusOf(org);
    })();
    service.google.disabled.add(org.user);
    await pause(CHECK_MS);
    const statuses = await Promise.all(Array.from({ length: 10 }, () => statusOf(org)));
    over.abort();
    await work;
    expect(statuses).toEqual(Array(10).fill(401));
  });

  it('whose tokens are revoked is refused with those of older sign-ins, and served with those of newer ones', async () => {
    const org = await founder();
    const revokedAt = seconds();
    service.google.validSince.set(org.user, revokedAt);
    await pause(CHECK_MS);
    expect(await statusOf(org, { auth_time: revokedAt - 1 })).toBe(401);
    // A token that was refreshed since, from an earlier sign-in.
    expect(await statusOf(org, { auth_time: revokedAt - 3600, iat: seconds() })).toBe(401);
    expect(await statusOf(org, { auth_time: revokedAt })).toBe(200);
    expect(await statusOf(org, { auth_time: revokedAt + 1 })).toBe(200);
  });

  it('who is deleted is refused', async () => {
    const org = await founder();
    service.google.deleted.add(org.user);
    await pause(CHECK_MS);
    expect(await statusOf(org)).toBe(401);
  });

  it('whom Firebase does not know gets no org, although the token is genuine', async () => {
    service.google.deleted.add('nobody');
    const headers = { authorization: `Bearer ${service.dashboardToken({ user: 'nobody' })}` };
    const answer = await service.call('POST', '/api/v1/orgs/create', { headers, body: { name: 'Ghost' } });
    expect(answer.status).toBe(401);
    expect(await service.sql("SELECT 1 FROM users WHERE id = 'nobody'")).toEqual([]);
  });

  it('who is disabled does not end the API keys, which belong to the org', async () => {
    const org = await founder();
    const { key } = await service.createKey(org);
    service.google.disabled.add(org.user);
    await pause(CHECK_MS);
    expect(await statusOf(org)).toBe(401);
    expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
  });
});

describe("the configured time (against a local stand-in for Google's endpoints)", () => {
  it('saves calls to Firebase: a person who was checked is served without one', async () => {
    const patient = await startService();
    try {
      const org = await founder(patient);
      const asked = patient.google.lookUps.filter((users) => users.includes(org.user)).length;
      expect(await Promise.all(Array.from({ length: 20 }, () => statusOf(org, {}, patient)))).toEqual(
        Array(20).fill(200),
      );
      expect(patient.google.lookUps.filter((users) => users.includes(org.user))).toHaveLength(asked);
    } finally {
      await patient.stop();
    }
  });

  it('bridges an outage of Firebase; after it the answer is 503, never 401 or success, until Firebase is back', async () => {
    const bridging = await startService({ settings: { accountCheckSeconds: 5 } });
    const { google } = bridging;
    try {
      const org = await founder(bridging);
      const disabled = await founder(bridging);
      const { key } = await bridging.createKey(org);
      google.disabled.add(disabled.user);
      await eventually(async () => expect(await statusOf(disabled, {}, bridging)).toBe(401));

      // Starts with a fresh answer, so that there is time for the next steps.
      const answers = (): number => google.lookUps.filter((users) => users.includes(org.user)).length;
      const before = answers();
      await eventually(async () => {
        expect(await statusOf(org, {}, bridging)).toBe(200);
        expect(answers()).toBeGreaterThan(before);
      });
      expect(await statusOf(org, {}, bridging)).toBe(200);
      await google.goDown();
      expect(await statusOf(org, {}, bridging)).toBe(200);
      const seen: number[] = [];
      await eventually(async () => {
        seen.push(await statusOf(org, {}, bridging));
        expect(seen.at(-1)).toBe(503);
      });
      expect(new Set(seen)).toEqual(new Set([200, 503]));
      // The outage lets no one in: neither users who were refused before it nor new ones.
      await eventually(async () => expect(await statusOf(disabled, {}, bridging)).toBe(503));
      const stranger = { ...org, user: 'never-seen' };
      expect(await statusOf(stranger, {}, bridging)).toBe(503);
      // API keys do not depend on Firebase.
      expect((await bridging.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
      // Mistakes in the token itself are still found.
      expect(await statusOf(org, { exp: 1 }, bridging)).toBe(401);

      await google.comeBack();
      await eventually(async () => expect(await statusOf(org, {}, bridging)).toBe(200));
      await eventually(async () => expect(await statusOf(disabled, {}, bridging)).toBe(401));
      await eventually(async () => expect(await statusOf(stranger, {}, bridging)).toBe(403));
    } finally {
      await bridging.stop();
    }
  }, 60_000);

  it.each<[string, (on: TestService) => void]>([
    ['silent', (on) => (on.google.silent = true)],
    ['failing', (on) => on.google.failures.set('accounts:lookup', 500)],
    ['refusing our account', (on) => on.google.failures.set('accounts:lookup', 403)],
    ['giving no access token', (on) => on.google.failures.set('oauth2.googleapis.com/token', 500)],
  ])('does not begin while Firebase is %s: 503, and served once it answers', async (_how, fail) => {
    const fresh = await startService();
    try {
      fail(fresh);
      const headers = { authorization: `Bearer ${fresh.dashboardToken({ user: 'newcomer' })}` };
      const list = (): Promise<{ status: number }> =>
        fresh.call('POST', '/api/v1/orgs/create', { headers, body: { name: 'New' } });
      expect((await list()).status).toBe(503);
      fresh.google.silent = false;
      fresh.google.failures.clear();
      await eventually(async () => expect((await list()).status).toBe(200));
    } finally {
      await fresh.stop();
    }
  });
});
