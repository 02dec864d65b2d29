/** Quotas of sealed access tokens: both layers, all windows, on one replica and on three. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from '../../support/eventually.js';
import { startReplicas, stopReplicas } from '../../support/replicas.js';
import {
  productionEnvironment,
  startServiceProcess,
  type Answer,
  type Org,
  type ServiceClient,
  type TestService,
} from '../../support/service.js';
import { ledgerOf, settledCalls } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import {
  MANY,
  MANY_OF_EACH,
  askedBody,
  askForToken,
  mint,
  mintBody,
  processing,
  type Limits,
  type MintedToken,
  type Wishes,
} from './sealed-client.js';

const ROOMY = {
  ...MANY_OF_EACH,
  providerCalls: 4_000,
  tenantCalls: 2_000,
  orgCalls: 2_000,
};
const ECHO = { serviceId: 'chat:dummy' };

let service: TestService;
let others: readonly TestService[];
/** A replica with quotas of its own. */
let tight: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  const small = [3, 999, 999] as const;
  const replicas = await startReplicas(ROOMY, ROOMY, ROOMY, {
    ...{ ...ROOMY, sealedClientQuota: small, anonymousClientQuota: small },
    ...{ trustedProxies: ['127.0.0.0/8'], publicHostnames: ['127.0.0.1', 'api.example.org'] },
  });
  [service, , , tight] = replicas;
  others = [replicas[1], replicas[2]];
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
}, 120_000);

afterAll(() => stopReplicas([service, ...others, tight]));

const echo = (at: ServiceClient, { token }: MintedToken): Promise<Answer> => processing(at, token, ECHO);
const token = (wishes: Wishes): Promise<MintedToken> => mint(service, { secrets: [], key, ...wishes });

async function statuses(at: TestService, made: MintedToken, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < count; n += 1) all.push((await echo(at, made)).status);
  return all;
}

function refusal(answer: Answer): unknown[] {
  const { error } = answer.json<{ error: { message: string } }>();
  return [answer.status, error.message];
}

const limit = (whose: 'client' | 'global', period: number): Wishes => {
  const limits = MANY.map((many, at) => (at === period ? 2 : many)) as unknown as Limits;
  return { [whose]: limits };
};

describe("a token's own quota", () => {
  it.each(
    (['client', 'global'] as const).flatMap((whose) =>
      ['minute', 'hour', 'day'].map((period, at) => [whose, period, at] as const),
    ),
  )('of %s requests per %s', async (whose, period, at) => {
    const made = await token(limit(whose, at));
    expect(await statuses(service, made, 2)).toEqual([200, 200]);
    const refused = await echo(service, made);
    expect(refusal(refused)).toEqual([429, `Request quota exceeded: ${whose} requests per ${period} limit exceeded`]);
    const seconds = [60, 3_600, 86_400][at]!;
    const wait = Number(refused.headers['retry-after']);
    expect(wait).toBeGreaterThan(seconds - 60);
    expect(wait).toBeLessThanOrEqual(seconds);
  });

  it('reports the global quota first, and the shortest window', async () => {
    const made = await token({ client: [1, 1, 1], global: [1, 1, 1] });
    await echo(service, made);
    expect(refusal(await echo(service, made))).toEqual([
      429,
      'Request quota exceeded: global requests per minute limit exceeded',
    ]);
  });

  it('is shared by all routes, and reported in the dialect of each', async () => {
    const made = await token({ client: [1, 9, 9] });
    const headers = { authorization: `Bearer ${made.token}` };
    const body = { model: 'chat:dummy', messages: [{ role: 'user', content: 'a' }] };
    expect((await service.call('POST', '/v1/chat/completions', { headers, body })).status).toBe(200);
    expect((await echo(service, made)).status).toBe(429);
    const refused = await service.call('POST', '/v1/chat/completions', { headers, body });
    expect([refused.status, refused.json<{ error: object }>().error]).toEqual([
      429,
      expect.objectContaining({
        code: 'rate_limit_exceeded',
        message: expect.stringMatching(/^Request quota exceeded: client/),
      }),
    ]);
  });

  it('loses nothing to refused requests: a request that one window refuses is counted by no other', async () => {
    const made = await token({ client: [1_000, 1_000, 2], global: [1_000, 3, 1_000] });
    expect(await statuses(service, made, 6)).toEqual([200, 200, 429, 429, 429, 429]);
    const rows = await service.sql<{ used: number[] }>(
      "SELECT used FROM sealed_quotas WHERE holder LIKE 'token:%' AND used[3] = 2 AND used[1] = 2",
    );
    expect(rows.map(({ used }) => used)).toContainEqual([2, 2, 2]);
    const open = await token({ client: [1_000, 1_000, 1_000], global: [1_000, 1_000, 1_000] });
    expect(await statuses(service, open, 3)).toEqual([200, 200, 200]);
  });

  it("is counted by the address, which a caller can't choose", async () => {
    const made = await token({ client: [1, 9, 9] });
    await echo(service, made);
    const headers = { 'x-forwarded-for': '203.0.113.7' };
    expect((await processing(service, made.token, { ...ECHO, headers })).status).toBe(429);
  });

  it('also applies on another replica', async () => {
    const made = await token({ client: [2, 9, 9] });
    expect((await echo(service, made)).status).toBe(200);
    expect(await statuses(others[0]!, made, 2)).toEqual([200, 429]);
  });

  it('renews once its window is over', async () => {
    const made = await token({ client: [1, 9, 9] });
    expect(await statuses(service, made, 2)).toEqual([200, 429]);
    await service.sql("UPDATE sealed_quotas SET ends_at[1] = now() - interval '1 second' WHERE used[1] = 1");
    expect(await statuses(service, made, 2)).toEqual([200, 429]);
  });
});

describe('the quotas of all requests', () => {
  it('are checked first, for each tenant by itself', async () => {
    const another = await tight.createOrg('of-tight-quotas');
    const { key: othersKey } = await tight.createKey(another);
    const [one, two] = [
      await mint(tight, { key: othersKey, secrets: [] }),
      await mint(tight, { key: othersKey, secrets: [], client: [1, 9, 9] }),
    ];
    expect([...(await statuses(tight, one, 2)), ...(await statuses(tight, two, 1))]).toEqual([200, 200, 200]);
    for (const made of [one, two]) {
      expect(refusal(await echo(tight, made))).toEqual([
        429,
        'API request quota exceeded: client requests per minute limit exceeded',
      ]);
    }
    const third = await mint(service, { secrets: [] });
    expect((await echo(tight, third)).status).toBe(200);
  });

  it('of callers without a credential count the making of tokens and calls of the echo', async () => {
    await service.sql("DELETE FROM sealed_quotas WHERE holder LIKE 'anonymous%'");
    expect([(await askForToken(tight)).status, (await processing(tight, null, ECHO)).status]).toEqual([200, 200]);
    // A wrong request counts like any other.
    expect((await askForToken(tight, { span: 'nonsense' })).status).toBe(400);
    const refused = await askForToken(tight);
    expect([refused.status, refused.json()]).toEqual([
      429,
      {
        error: {
          type: 'too_many_requests',
          message: 'API request quota exceeded: client requests per minute limit exceeded',
        },
      },
    ]);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect((await askForToken(tight, { key })).status).toBe(200);
  });
});

describe('behind a proxy that the operator trusts', () => {
  it('a token is valid at the host name, and counted by the address, that the proxy reports', async () => {
    const told = { 'x-forwarded-host': 'api.example.org' };
    const answer = await tight.call('POST', '/api/v1/oauth/token', {
      headers: { ...told, 'x-api-key': key },
      body: mintBody({ secrets: [], client: [1, 9, 9] }),
    });
    const { access_token: made } = answer.json<{ access_token: string }>();
    const from = (address: string, more: object = {}): Promise<Answer> =>
      processing(tight, made, { ...ECHO, headers: { ...told, ...more, 'x-forwarded-for': address } });
    const statusOf = async (asked: Promise<Answer>): Promise<number> => (await asked).status;
    expect(await statusOf(from('203.0.113.1'))).toBe(200);
    expect(await statusOf(from('203.0.113.1'))).toBe(429);
    expect(await statusOf(from('203.0.113.2'))).toBe(200);
    expect(await statusOf(from('203.0.113.3', { 'x-forwarded-host': '127.0.0.1' }))).toBe(401);
    expect(await statusOf(processing(tight, made, ECHO))).toBe(401);
    // Only a trusted proxy's headers count.
    expect(await statusOf(processing(service, made, { ...ECHO, headers: told }))).toBe(401);
  });
});

describe('500 calls at once', () => {
  const N = 37;

  async function passed(services: readonly TestService[], made: MintedToken): Promise<Map<number, number>> {
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, at) => echo(services[at % services.length]!, made)),
    );
    const counts = new Map<number, number>();
    for (const { status } of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
    return counts;
  }

  it.each<[string, Wishes]>(
    (['client', 'global'] as const).flatMap((whose) =>
      ['minute', 'hour', 'day'].map((period, at): [string, Wishes] => [
        `${whose} requests per ${period}`,
        { [whose]: [0, 1, 2].map((place) => (place === at ? N : 999)) as unknown as Limits },
      ]),
    ),
  )('against %s: exactly that many pass, on one replica and on three', async (_what, wishes) => {
    const expected = new Map([
      [200, N],
      [429, 500 - N],
    ]);
    expect(await passed([service], await token(wishes))).toEqual(expected);
    expect(await passed([service, ...others], await token(wishes))).toEqual(expected);
  });

  it('that arrive together get the same answers as one after another', async () => {
    for (const [wishes, message] of [
      [{ global: [9, 2, 9], client: [2, 9, 9] }, 'global requests per hour'],
      [{ global: [9, 3, 9], client: [2, 9, 9] }, 'client requests per minute'],
      [{ global: [9, 9, 2], client: [2, 2, 2] }, 'global requests per day'],
      [{ client: [9, 2, 2] }, 'client requests per hour'],
    ] as const) {
      const made = await token(wishes);
      const answers = await Promise.all(Array.from({ length: 12 }, () => echo(service, made)));
      const refused = answers.filter(({ status }) => status !== 200);
      expect(refused).toHaveLength(10);
      for (const answer of [...refused, await echo(service, made)])
        expect(refusal(answer)).toEqual([429, `Request quota exceeded: ${message} limit exceeded`]);
    }
  });
});

describe('an operator', () => {
  const revoke = async (...given: string[]): Promise<string> => {
    const environment = productionEnvironment(service);
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['bin/gatehouse.mjs', 'sealed', 'revoke', ...given], {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
    });
    return stdout;
  };

  it('revokes one token by its jti, everywhere within a second, and no other', async () => {
    const [other] = others;
    const [doomed, spared] = [await token({}), await token({})];
    expect([await statuses(service, doomed, 1), await statuses(other!, doomed, 1)]).toEqual([[200], [200]]);
    expect(await revoke('--jti', doomed.jti)).toContain('revoked');
    for (const replica of [service, other!]) {
      await eventually(async () => (await echo(replica, doomed)).status === 401);
      expect((await echo(replica, spared)).status).toBe(200);
    }
  });

  it('ends tokens by revoking the key that made them, everywhere', async () => {
    const [other] = others;
    const mortal = await service.createKey(org);
    const doomed = await mint(service, { key: mortal.key, secrets: [] });
    expect([await statuses(service, doomed, 1), await statuses(other!, doomed, 1)]).toEqual([[200], [200]]);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { key_id: mortal.keyId });
    for (const replica of [service, other!]) await eventually(async () => (await echo(replica, doomed)).status === 401);
  });

  it('revokes all tokens that were issued before a moment', async () => {
    const before = await token({});
    const [other] = others;
    expect([await statuses(service, before, 1), await statuses(other!, before, 1)]).toEqual([[200], [200]]);
    await revoke('--issued-before', new Date(Date.now() + 1_000).toISOString());
    for (const replica of [service, other!]) await eventually(async () => (await echo(replica, before)).status === 401);
    await eventually(async () => (await echo(service, await token({}))).status === 200);
  });

  it.each([
    [['--jti', '']],
    [[]],
    [['--issued-before', 'yesterday']],
    [['--jti', 'a', '--issued-before', '2026-01-01']],
  ])('gets the expected form instead of %j', async (given) => {
    await expect(revoke(...given)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--issued-before'),
    });
  });
});

describe('kill -9 during a stream', () => {
  it('leaves a call that a later sweep charges whole, and quotas that stay', async () => {
    const env = {
      GATEHOUSE_LEASE_SECONDS: '1',
      GATEHOUSE_SWEEP_SECONDS: '1',
      GATEHOUSE_SEALED_GLOBAL_QUOTA: MANY.join('/'),
      GATEHOUSE_SEALED_CLIENT_QUOTA: MANY.join('/'),
      GATEHOUSE_PEPPERS: service.settings.peppers
        .map(({ version, secret }) => `${version}:${secret.toString('base64url')}`)
        .join(),
      GATEHOUSE_ENCRYPTION_KEYS: service.settings.encryptionKeys
        .map(({ version, secret }) => `${version}:${secret.toString('base64url')}`)
        .join(),
    };
    await settledCalls(service, (await ledgerOf(service)).length);
    await service.sql('DELETE FROM usage_records');
    const doomed = await startServiceProcess({ ...service, env });
    const { token: sealed } = await mint(service);
    const used = await token({ client: [1, 9, 9] });
    expect((await echo(doomed, used)).status).toBe(200);
    await settledCalls(service, 1);
    await service.sql('DELETE FROM usage_records');
    const piece = { choices: [{ index: 0, delta: { content: 'Hel' }, finish_reason: null }] };
    service.upstream.next({ kind: 'stream', pieces: [piece, piece], stallAfter: 1 });
    const stream = OpenStream.start(doomed, sealed, askedBody({ stream: true }), {}, '/api/v1/process');
    await stream.until('progress');
    await doomed.kill9();
    const next = await startServiceProcess({ ...service, env });
    try {
      const [row] = await settledCalls(service, 1);
      expect(row).toMatchObject({ state: 'SWEPT', provider: 'sealed/openai.com' });
      expect(row!.output_tokens).toBe(row!.reserved_output_tokens);
      expect((await echo(next, used)).status).toBe(429);
    } finally {
      await next.process.stop();
    }
  });
});
