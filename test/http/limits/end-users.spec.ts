/** An end user's two windows: one of each human at a key, and then the key's. */
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { openaiError, platformError } from '../refusals.js';

const WINDOW_SECONDS = 600;
const FAILURES = 40;

interface RateLimit {
  readonly requests_per_minute?: number;
  readonly requests_per_minute_per_human?: number;
}

interface PublishableKey {
  readonly keyId: string;
  readonly key: string;
}

describe.each([
  ['in memory', true],
  ['in Postgres', false],
])('end users, counted %s', (_where, embeddedDatabase) => {
  let service: TestService;
  let org: Org;

  beforeAll(async () => {
    service = await startService({
      settings: {
        embeddedDatabase,
        rateWindowSeconds: WINDOW_SECONDS,
        publishableDefaultIssuer: 'platform',
        failedAuthenticationsPerMinute: FAILURES,
        trustedProxies: ['127.0.0.1/32'],
      },
    });
    org = await service.createOrg('founder');
  });

  afterAll(() => service.stop());

  const keyWith = async (rateLimit?: RateLimit, allowedOrigins: string[] = []): Promise<PublishableKey> => {
    const owner = { user: org.user, tenant: org.tenantId };
    const { result } = await service.asUser<{ result: PublishableKey }>(owner, 'api-keys/create-publishable', {
      name: 'An app',
      unlimited: true,
      allowed_origins: allowedOrigins,
      ...(rateLimit === undefined ? {} : { rate_limit: rateLimit }),
    });
    return result;
  };
  const tokenOf = (user: string, claims: Record<string, unknown> = {}): string =>
    service.dashboardToken({ user, tenant: org.tenantId, claims });
  const listThreads = (key: string, token: string, headers: Record<string, string> = {}): Promise<Answer> =>
    service.call('POST', '/api/v1/llm/gateway/list-threads', {
      headers: { 'x-api-key': key, authorization: `Bearer ${token}`, ...headers },
      body: {},
    });
  const windowOf = ({ headers }: Answer): (string | string[] | undefined)[] => [
    headers['ratelimit-policy'],
    headers['x-ratelimit-limit'],
    headers['x-ratelimit-remaining'],
    /^"[a-z]+";r=\d+/.exec(String(headers['ratelimit']))?.[0],
  ];

  it("have 60 requests a minute each by default, out of the key's 1000", async () => {
    const { key } = await keyWith();
    const answer = await listThreads(key, tokenOf('ann'));
    expect(answer.status).toBe(200);
    const policy = `"human";q=60;w=${WINDOW_SECONDS}, "key";q=1000;w=${WINDOW_SECONDS}`;
    expect(windowOf(answer)).toEqual([policy, '60', '59', '"human";r=59']);
  });

  it('are admitted exactly as often as each human may, and as the key may for all of them', async () => {
    const { key, keyId } = await keyWith({ requests_per_minute: 25, requests_per_minute_per_human: 10 });
    const humans = ['ann', 'ben', 'cleo'];
    const tokens = humans.map((human) => tokenOf(human));
    const answers = await Promise.all(
      Array.from({ length: 180 }, async (_, index) => ({
        human: humans[index % 3]!,
        answer: await listThreads(key, tokens[index % 3]!),
      })),
    );
    const passed = answers.filter(({ answer }) => answer.status === 200);
    expect(passed).toHaveLength(25);
    for (const { answer } of answers) {
      if (answer.status === 200) continue;
      expect(platformError(answer, 429).status).toBe('RESOURCE_EXHAUSTED');
      expect(answer.headers['x-ratelimit-remaining']).toBe('0');
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
    }
    for (const human of humans) {
      expect(passed.filter((one) => one.human === human).length).toBeLessThanOrEqual(10);
    }
    if (embeddedDatabase) return;
    // No window counts refused requests.
    const rows = await service.sql<{ ofKey: boolean; used: string }>(
      `SELECT key = 'key:' || $1 AS "ofKey", sum(used)::text AS used FROM rate_windows
       WHERE key LIKE 'key:' || $1 || '%' GROUP BY 1 ORDER BY 1`,
      [keyId],
    );
    expect(rows).toEqual([
      { ofKey: false, used: '25' },
      { ofKey: true, used: '25' },
    ]);
  });

  it('who use up their own window take nothing from the others', async () => {
    const { key } = await keyWith({ requests_per_minute: 8, requests_per_minute_per_human: 4 });
    const statuses = async (human: string, count: number): Promise<number[]> => {
      const answers = await Promise.all(Array.from({ length: count }, () => listThreads(key, tokenOf(human))));
      return answers.map(({ status }) => status).sort();
    };
    expect((await statuses('ann', 50)).filter((status) => status === 200)).toHaveLength(4);
    expect(await statuses('ben', 4)).toEqual([200, 200, 200, 200]);
    const answer = await listThreads(key, tokenOf('cleo'));
    expect(answer.status).toBe(429);
    expect(windowOf(answer).slice(1)).toEqual(['8', '0', '"key";r=0']);
  });

  it('see their window whatever else refuses them, and are counted', async () => {
    const { key } = await keyWith({ requests_per_minute_per_human: 10 });
    const headers = { 'x-api-key': key, authorization: `Bearer ${tokenOf('ann')}` };
    const answers = [
      await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} }),
      await service.call('POST', '/api/v1/nothing', { headers, body: {} }),
      await service.call('POST', '/api/v1/llm/gateway/list-threads', { headers, body: '{' }),
      await service.call('GET', '/v1/nothing', { headers }),
      await listThreads(key, tokenOf('ann'), { 'x-on-behalf-of': 'ben' }),
      await listThreads(key, tokenOf('ann'), { 'x-human-id': 'ben' }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 404, 400, 404, 403, 403]);
    expect(answers.map((answer) => windowOf(answer)[2])).toEqual(['9', '8', '7', '6', '5', '4']);
  });

  describe('whose token is refused', () => {
    const POLICY = `"key";q=7;w=${WINDOW_SECONDS}`;
    const FULL = [POLICY, '7', '7', '"key";r=7'];

    it.each<[string, number, (answer: () => PublishableKey) => Promise<Answer>]>([
      ['a forged one', 401, (made) => listThreads(made().key, `${tokenOf('ann').slice(0, -4)}AAAA`)],
      ["another issuer's", 401, (made) => listThreads(made().key, tokenOf('ann', { iss: 'https://other.example' }))],
      ['an expired one', 401, (made) => listThreads(made().key, tokenOf('ann', { exp: 1 }))],
      ["another tenant's", 403, (made) => listThreads(made().key, tokenOf('ann', { tenant_id: 'other' }))],
      ["another page's", 403, (made) => listThreads(made().key, tokenOf('ann'), { origin: 'https://other.example' })],
    ])("see the key's window, and are not counted: %s (%d)", async (_what, status, send) => {
      const made = await keyWith({ requests_per_minute: 7 }, ['https://app.example']);
      for (let index = 0; index < 3; index += 1) {
        const answer = await send(() => made);
        platformError(answer, status);
        expect(windowOf(answer)).toEqual(FULL);
        expect(answer.headers).not.toHaveProperty('retry-after');
      }
      expect(windowOf(await listThreads(made.key, tokenOf('ann'))).slice(1)).toEqual(['7', '6', '"key";r=6']);
    });

    it("with too many failures from one address get 429 with the key's window, on unknown paths too, while valid ones pass", async () => {
      const { key } = await keyWith({ requests_per_minute: 7 });
      const from = { 'x-forwarded-for': `203.0.113.${embeddedDatabase ? 1 : 2}` };
      const forged = `${tokenOf('ann').slice(0, -4)}AAAA`;
      for (let index = 0; index < FAILURES; index += 1) platformError(await listThreads(key, forged, from), 401);
      const answer = await listThreads(key, forged, from);
      platformError(answer, 429);
      expect(windowOf(answer)).toEqual(FULL);
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/);
      const headers = { 'x-api-key': key, authorization: `Bearer ${forged}`, ...from };
      const unknownPath = await service.call('GET', '/v1/nothing', { headers });
      openaiError(unknownPath, 429);
      expect(windowOf(unknownPath)).toEqual(FULL);
      platformError(await listThreads(key, tokenOf('ann', { exp: 1 }), from), 401);
      expect((await listThreads(key, tokenOf('ann'), from)).status).toBe(200);
    });

    it('see no window where the key is refused as well', async () => {
      const answer = await listThreads('pk_gh_0000000000000000000000000000000000', tokenOf('ann'));
      platformError(answer, 401);
      expect(Object.keys(answer.headers).filter((name) => name.includes('ratelimit'))).toEqual([]);
    });
  });
});
