/** `pk_` and a user's JWT: only both together are an end user, and each alone is refused. */
import { eventually } from '../../support/eventually.js';
import { startUserIssuer, type IssuerAlgorithm, type UserIssuer } from '../../support/oidc-issuer.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startService, type Answer, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { rowCounts, settledCalls } from '../ledger.js';
import { openaiError, platformError } from '../refusals.js';
import { asEndUser, complete, createAppKey, listModels, listThreads } from './app.js';

const otherIssuers: UserIssuer[] = [];
let issuer: UserIssuer;
let service: TestService;
let org: Org;
let app: MadeKey;

beforeAll(async () => {
  issuer = await startUserIssuer();
  service = await startService({ settings: { ...issuer.settings, requestsPerMinutePerHuman: 1_000_000 } });
  org = await service.createOrg('founder');
  app = await createAppKey(service, org, issuer);
});

afterAll(async () => {
  await service.stop();
  await Promise.all([issuer, ...otherIssuers].map((running) => running.stop()));
});

async function startAnotherIssuer(alg: IssuerAlgorithm = 'ES256'): Promise<UserIssuer> {
  const another = await startUserIssuer({ alg });
  otherIssuers.push(another);
  return another;
}

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;
const windowHeaders = ({ headers }: Answer): string[] =>
  Object.keys(headers).filter((name) => name.includes('ratelimit'));

/** Sends the same to both surfaces, each of which answers in its dialect, and checks that no row changed. */
async function expectRefused(headers: Record<string, string | string[]>, status: number): Promise<Answer[]> {
  const before = await rowCounts(service);
  const sent = service.upstream.requests.length;
  const answers = [
    await complete(service, headers),
    await listModels(service, headers),
    await listThreads(service, headers),
  ];
  openaiError(answers[0]!, status);
  openaiError(answers[1]!, status);
  platformError(answers[2]!, status);
  expect(service.upstream.requests).toHaveLength(sent);
  expect(await rowCounts(service)).toEqual(before);
  return answers;
}

describe('an end user', () => {
  it("may do what the key may, and is recorded as the token's human in the ledger", async () => {
    const headers = asEndUser(app, issuer.token({ sub: 'Ann Ünicode' }));
    const threads = await listThreads(service, headers);
    expect({ status: threads.status, body: threads.json() }).toEqual({
      status: 200,
      body: { threads: [], nextPageToken: '' },
    });
    expect((await listModels(service, headers)).status).toBe(200);
    expect((await complete(service, headers)).status).toBe(200);
    const [row] = await settledCalls(service, 1);
    expect(row).toMatchObject({ tenant_id: org.tenantId, key_id: app.keyId, user_id: null, model: UPSTREAM_MODEL });
    const humans = await service.sql<{ tenant_id: string; human: string }>(
      'SELECT h.tenant_id, h.human FROM humans h JOIN usage_records r ON r.human_id = h.id AND r.tenant_id = h.tenant_id',
    );
    expect(humans).toEqual([{ tenant_id: org.tenantId, human: 'Ann Ünicode' }]);
  });

  it.each(['RS256', 'PS256', 'ES256'] as const)('may have a token signed with %s', async (alg) => {
    const signing = await startAnotherIssuer(alg);
    const other = await service.createOrg(`signs-with-${alg}`);
    const key = await createAppKey(service, other, signing);
    expect((await listThreads(service, asEndUser(key, signing.token()))).status).toBe(200);
  });

  it('may not do what the key may not', async () => {
    const key = await createAppKey(service, org, issuer, { permissions: ['conversations:read'] });
    const headers = asEndUser(key, issuer.token());
    expect((await listThreads(service, headers)).status).toBe(200);
    expect(openaiError(await complete(service, headers), 403).message).toContain('chat:write');
  });

  it.each([
    ['api-keys/list', {}],
    ['api-keys/create', { name: 'K' }],
    ['orgs/create', { name: 'O' }],
  ])('may not call %s, which is for users of the dashboard', async (route, body) => {
    const headers = asEndUser(app, issuer.token());
    platformError(await service.call('POST', `/api/v1/${route}`, { headers, body }), 403);
  });
});

describe('half of an end user is refused (401):', () => {
  it('the key alone, in either header', async () => {
    await expectRefused({ 'x-api-key': app.key }, 401);
    await expectRefused({ authorization: `Bearer ${app.key}` }, 401);
    await expectRefused({ 'x-api-key': app.key, authorization: `Bearer ${app.key}` }, 401);
  });

  it('the token alone, of any issuer that a key trusts', async () => {
    await expectRefused({ authorization: `Bearer ${issuer.token()}` }, 401);
  });

  it("the key beside a text that is not a user's token", async () => {
    const { key: secret } = await service.createKey(org);
    for (const token of [secret, 'garbage', 'aisbreaker_x', '', 'a.b.c']) {
      await expectRefused({ 'x-api-key': app.key, authorization: `Bearer ${token}` }, 401);
    }
    await expectRefused({ 'x-api-key': app.key, authorization: `Basic ${issuer.token()}` }, 401);
  });

  it("the key beside a dashboard token, also the owner's", async () => {
    await expectRefused(asEndUser(app, service.dashboardToken({ user: org.user, tenant: org.tenantId })), 401);
  });

  it('a good token beside a key that is revoked, unknown, or missing: half a pair gives no access', async () => {
    const revoked = await createAppKey(service, org, issuer);
    const headers = asEndUser(revoked, issuer.token());
    expect((await listThreads(service, headers)).status).toBe(200);
    const owner = { user: org.user, tenant: org.tenantId };
    await service.asUser(owner, 'api-keys/revoke', { key_id: revoked.keyId });
    await eventually(async () => (await listThreads(service, headers)).status === 401);
    await expectRefused(headers, 401);
    const unknown = await createAppKey(service, org, issuer);
    await service.sql('DELETE FROM api_keys WHERE id = $1', [unknown.keyId]);
    for (const key of [unknown.key, `${app.key}x`, 'pk_', 'pk_gh_000000']) {
      const answers = await expectRefused({ 'x-api-key': key, authorization: `Bearer ${issuer.token()}` }, 401);
      expect(answers.flatMap(windowHeaders)).toEqual([]);
    }
    // Nor does the owner's own token, which is valid by itself.
    const dashboardToken = service.dashboardToken(owner);
    expect((await listThreads(service, { authorization: `Bearer ${dashboardToken}` })).status).toBe(200);
    await expectRefused(asEndUser(revoked, dashboardToken), 401);
  });

  it('a good token beside a secret key: two identities (400)', async () => {
    const { key } = await service.createKey(org);
    await expectRefused({ 'x-api-key': key, authorization: `Bearer ${issuer.token()}` }, 400);
  });
});

/** The broken tokens with another code than `invalid_credential`: malformed, or valid but expired. */
const CODE_OF: Readonly<Record<string, string>> = {
  expired: 'expired_token',
  'expired long ago': 'expired_token',
  'no alg': 'malformed_credential',
  'alg that is no text': 'malformed_credential',
  'empty crit': 'malformed_credential',
  'iss among others': 'malformed_credential',
  'no iss': 'malformed_credential',
  'claims that are a list': 'malformed_credential',
};

describe("a user's token", () => {
  it('of every broken kind is refused with 401, which shows the window of the key', async () => {
    const passed: string[] = [];
    const windowless: string[] = [];
    const broken = issuer.brokenTokens();
    expect(Object.keys(broken).length).toBeGreaterThan(50);
    for (const [kind, token] of Object.entries(broken)) {
      const headers = { ...asEndUser(app, token), 'x-request-id': 'the-same-for-all' };
      const answer = await listThreads(service, headers);
      const isRefused = answer.status === 401 && answer.headers['www-authenticate'] === 'Bearer error="invalid_token"';
      const code = CODE_OF[kind] ?? 'invalid_credential';
      if (!isRefused || platformError(answer, 401).details[0]?.reason !== code) {
        passed.push(`${kind}: ${answer.status} ${answer.text}`);
      }
      if (answer.headers['x-ratelimit-limit'] !== '1000') windowless.push(kind);
    }
    expect(passed).toEqual([]);
    // Without even the form of a token, the key was not looked up.
    expect(windowless).toEqual(['iss among others', 'no iss', 'claims that are a list']);
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
  });

  it("is for one audience: another tenant's app of the same issuer has another", async () => {
    const other = await service.createOrg('shopkeeper');
    const shop = await createAppKey(service, other, issuer, { audience: 'shop' });
    expect((await listThreads(service, asEndUser(shop, issuer.token({ aud: 'shop' })))).status).toBe(200);
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
    await expectRefused(asEndUser(app, issuer.token({ aud: 'shop' })), 401);
    await expectRefused(asEndUser(shop, issuer.token()), 401);
    expect((await listThreads(service, asEndUser(shop, issuer.token({ aud: ['shop', 'app'] })))).status).toBe(200);
  });

  it("that names a tenant other than the key's is refused with 403, and one that names the key's is accepted", async () => {
    const other = await service.createOrg('neighbour');
    await expectRefused(asEndUser(app, issuer.token({ tenant_id: other.tenantId })), 403);
    expect((await listThreads(service, asEndUser(app, issuer.token({ tenant_id: org.tenantId })))).status).toBe(200);
  });

  it('is accepted from one issuer only: the same claims signed by another are refused, whichever issuer they name', async () => {
    const evil = await startAnotherIssuer();
    await expectRefused(asEndUser(app, evil.token()), 401);
    await expectRefused(asEndUser(app, evil.token({ iss: issuer.issuer })), 401);
    expect(evil.requests).toEqual([]);
  });

  it('is accepted until its last second', async () => {
    const token = issuer.token({ exp: inSeconds(2) });
    expect((await listThreads(service, asEndUser(app, token))).status).toBe(200);
    await eventually(async () => (await listThreads(service, asEndUser(app, token))).status === 401);
  });
});

describe('the human', () => {
  it('may be repeated in x-human-id; another one there is 403', async () => {
    const headers = asEndUser(app, issuer.token({ sub: 'ünï' }), {
      'x-human-id': encodeURIComponent('ünï'),
      'x-human-id-encoding': 'percent',
    });
    expect((await listThreads(service, headers)).status).toBe(200);
    for (const other of ['user-2', 'User-1', 'user-1x']) {
      await expectRefused(asEndUser(app, issuer.token({ sub: 'user-1' }), { 'x-human-id': other }), 403);
    }
  });

  it("acts for no one else: X-On-Behalf-Of is 403, even with the user's own name", async () => {
    for (const human of ['user-1', 'user-2']) {
      await expectRefused(asEndUser(app, issuer.token({ sub: 'user-1' }), { 'x-on-behalf-of': human }), 403);
    }
  });

  it("has the key's prefix before the subject, and no issuer makes the human of another", async () => {
    const partner = await startAnotherIssuer();
    const theirs = await createAppKey(service, org, partner, { human_prefix: 'partner:' });
    const named = (human: string): Record<string, string> => ({ 'x-human-id': human });
    const token = partner.token({ sub: 'user-1' });
    expect((await listThreads(service, asEndUser(theirs, token, named('partner:user-1')))).status).toBe(200);
    await expectRefused(asEndUser(theirs, token, named('user-1')), 403);
    // A key that was used before gets the new prefix too.
    await eventually(
      async () => (await listThreads(service, asEndUser(app, issuer.token({ sub: 'partner:user-1' })))).status === 401,
    );
    await expectRefused(asEndUser(app, issuer.token({ sub: 'partner:user-1' })), 401);
    expect((await listThreads(service, asEndUser(app, issuer.token({ sub: 'partner' })))).status).toBe(200);
  });
});

describe('the page', () => {
  const ORIGIN = 'https://app.example.com';

  it('of an origin that the key names may use it; any other is 403, which still shows the window', async () => {
    const key = await createAppKey(service, org, issuer, { allowedOrigins: [ORIGIN, 'http://localhost:3000'] });
    for (const origin of [ORIGIN, 'http://localhost:3000']) {
      expect((await listThreads(service, asEndUser(key, issuer.token(), { origin }))).status).toBe(200);
    }
    expect((await listThreads(service, asEndUser(key, issuer.token()))).status).toBe(200);
    for (const origin of [
      'https://evil.example',
      `${ORIGIN}.evil.example`,
      'null',
      `${ORIGIN}/`,
      'HTTPS://app.example.com',
    ]) {
      const answers = await expectRefused(asEndUser(key, issuer.token(), { origin }), 403);
      for (const answer of answers) expect(answer.headers['x-ratelimit-limit']).toBe('1000');
    }
    await expectRefused(asEndUser(key, issuer.token(), { origin: [ORIGIN, 'https://evil.example'] }), 403);
  });

  it('may have any origin where the key names none', async () => {
    const headers = asEndUser(app, issuer.token(), { origin: 'https://anywhere.example' });
    expect((await listThreads(service, headers)).status).toBe(200);
  });
});
