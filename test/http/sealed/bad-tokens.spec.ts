/** Invalid tokens of all kinds, and secrets of valid ones that must never show. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { compactDecrypt } from 'jose';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type TestService } from '../../support/service.js';
import { testPepper } from '../../support/settings.js';
import { settledCalls } from '../ledger.js';
import { MANY_OF_EACH, askForToken, mint, OPENAI, processing } from './sealed-client.js';

const [OLD, NEW, GONE] = [testPepper(1), testPepper(2), testPepper(3)];

let service: TestService;
let good: string;

beforeAll(async () => {
  service = await startService({ settings: { ...MANY_OF_EACH, sealedTokenKeys: [NEW, OLD] } });
  ({ token: good } = await mint(service));
});

afterAll(() => service.stop());

const now = (): number => Math.floor(Date.now() / 1000);
const CLAIMS = { sub: '127.0.0.1#aisbreaker', t: 'gatehouse-anonymous', s: [['', 'sk-forged']] };
const claims = (more: object = {}): object => ({ jti: 'forged', iat: now(), exp: now() + 3600, ...CLAIMS, ...more });

/** Seals by hand as the service does, with the differences that a test needs. */
function seal(
  content: object | Buffer,
  { key = NEW, header = {}, tag = 16 }: { key?: typeof NEW; header?: object; tag?: number } = {},
): string {
  const head = Buffer.from(
    JSON.stringify({ ver: 1, alg: 'dir', enc: 'A256GCM', kid: String(key.version), ...header }),
  ).toString('base64url');
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce).setAAD(Buffer.from(head));
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
  const sealed = Buffer.concat([cipher.update(bytes), cipher.final()]);
  const parts = [head, '', nonce.toString('base64url'), sealed.toString('base64url')];
  return `aisbreaker_${[...parts, cipher.getAuthTag().subarray(0, tag).toString('base64url')].join('.')}`;
}

const withPart = (at: number, change: (part: string) => string): string =>
  good
    .split('.')
    .map((part, index) => (index === at ? change(part) : part))
    .join('.');

const otherCharacter = (part: string, at: number): string =>
  part.slice(0, at) + (part[at] === 'A' ? 'B' : 'A') + part.slice(at + 1);

/** The last character of 16 bytes in base64url has bits without meaning. */
const otherSpelling = (part: string): string =>
  part.slice(0, -1) + String.fromCharCode(part.charCodeAt(part.length - 1) + 1);

const BAD: readonly (readonly [string, () => string])[] = [
  ['nothing', () => 'aisbreaker_'],
  ['no JWE', () => 'aisbreaker_eyJ2ZXIi'],
  ['one that is cut short', () => good.slice(0, -5)],
  ['one with a bit flipped in its content', () => withPart(3, (part) => otherCharacter(part, 40))],
  ['one with a bit flipped in its tag', () => withPart(4, (part) => otherCharacter(part, 3))],
  ['one with a bit flipped in its nonce', () => withPart(2, (part) => otherCharacter(part, 3))],
  ['one with another header', () => withPart(0, (part) => otherCharacter(part, 30))],
  ['one that is spelled otherwise', () => withPart(4, otherSpelling)],
  ['one with a padding', () => `${good}=`],
  ['one with a part more', () => `${good}.`],
  ['one with an encrypted key', () => withPart(1, () => 'AAAA')],
  ['one with a short tag', () => seal(claims(), { tag: 12 })],
  ['one of a key that is not set any more', () => seal(claims(), { key: GONE })],
  ['one of another key under the version of ours', () => seal(claims(), { key: { ...GONE, version: 2 } })],
  ['an expired one', () => seal(claims({ exp: now() - 1 }))],
  ['one of another host', () => seal(claims({ sub: 'other.example.org#aisbreaker' }))],
  ['one of a tenant that is gone', () => seal(claims({ t: 'gone' }))],
  ['one of a key that never was', () => seal(claims({ k: 'key_gone' }))],
  ['one with a compressed content', () => seal(deflateRawSync(JSON.stringify(claims())), { header: { zip: 'DEF' } })],
  ['a decompression bomb', () => seal(deflateRawSync(Buffer.alloc(4_000_000, 32)), { header: { zip: 'DEF' } })],
  ['one with an extension', () => seal(claims(), { header: { crit: ['x'], x: 1 } })],
  ['one without an algorithm', () => seal(claims(), { header: { alg: 'none' } })],
  ['one of another algorithm', () => seal(claims(), { header: { alg: 'A256KW' } })],
  ['one of another cipher', () => seal(claims(), { header: { enc: 'A128GCM' } })],
  ['one of another version', () => seal(claims(), { header: { ver: 2 } })],
  ['one without claims', () => seal({})],
  ['one whose content is no JSON', () => seal(Buffer.from('nonsense'))],
  ['an oversized one', () => seal(claims({ s: [['', 'x'.repeat(7_000)]] }))],
  ['a garbled one as large as a header may be', () => `aisbreaker_${'A'.repeat(15_000)}`],
];

describe('an invalid token', () => {
  const told = ({ status, text, headers }: Answer): unknown[] => [status, text, headers['www-authenticate']];

  it.each(BAD)('gets the same answer as any other: %s', async (_what, make) => {
    const token = make();
    const answer = await processing(service, token);
    const reference = await processing(service, 'aisbreaker_e30.e30.e30.e30.e30');
    expect(told(answer)).toEqual(told(reference));
    expect(answer.status).toBe(401);
    const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'a' }] };
    const headers = { authorization: `Bearer ${token}` };
    const completion = await service.call('POST', '/v1/chat/completions', { headers, body });
    expect([completion.status, completion.json<{ error: { code: string } }>().error.code]).toEqual([
      401,
      'invalid_credential',
    ]);
    expect(service.upstream.requests).toEqual([]);
  });

  it('gets the same answer even if it was valid before', async () => {
    const { token } = await mint(service, { span: '1s', secrets: [] });
    const reference = told(await processing(service, 'aisbreaker_e30.e30.e30.e30.e30'));
    await eventually(async () =>
      expect(told(await processing(service, token, { serviceId: 'chat:dummy' }))).toEqual(reference),
    );
  });

  it('is invalid only because of its mistake: the same seal by hand without one is accepted', async () => {
    expect((await processing(service, seal(claims()))).status).toBe(200);
    expect((await processing(service, seal(claims(), { key: OLD }))).status).toBe(200);
    service.upstream.reset();
  });

  it('beside a key is two identities', async () => {
    const answer = await processing(service, good, { headers: { 'x-api-key': 'sk_gh_x' } });
    expect(answer.status).toBe(400);
  });
});

describe('rotation', () => {
  it('a service with a new key in front accepts the old tokens, and one without that key refuses the new ones', async () => {
    const before = await startService({ ...service, settings: { ...MANY_OF_EACH, sealedTokenKeys: [OLD] } });
    try {
      const { token } = await mint(before);
      for (const replica of [before, service]) expect((await processing(replica, token)).status).toBe(200);
      expect((await processing(before, good)).status).toBe(401);
    } finally {
      await before.stop();
    }
  });
});

describe('a secret', () => {
  const CANARY = 'sk-canary-of-a-sealed-token-4711';

  it('is in no log, no error, no metric and no table, however the call ends', async () => {
    const log = captureLog('debug');
    const heard: string[] = [];
    const hear = (answer: Answer): Answer => {
      heard.push(answer.text, JSON.stringify(answer.headers));
      return answer;
    };
    await service.sql('DELETE FROM usage_records');
    service.upstream.reset();
    const { token } = await mint(service, { secrets: [{ serviceId: '', authSecret: CANARY }] });
    hear(await processing(service, token));
    const error = {
      message: `Incorrect API key provided: ${CANARY}`,
      type: 'invalid_request_error',
      code: 'invalid_api_key',
    };
    for (const status of [400, 401, 403, 429, 500]) {
      service.upstream.next({ kind: 'body', status, body: { error } });
      expect(hear(await processing(service, token)).status).toBeGreaterThanOrEqual(400);
    }
    service.upstream.next({ kind: 'cut' }).next({ kind: 'cut' });
    hear(await processing(service, token));
    hear(await processing(service, token, { serviceId: 'chat:nobody.org' }));
    hear(await processing(service, token, { stream: true }));
    hear(await processing(service, `${token}x`));
    hear(
      await askForToken(service, { secrets: [{ serviceId: 'chat:openai.com', authSecret: `${CANARY} and a space` }] }),
    );
    await settledCalls(service, 8);
    log.stop();
    const tables = await service.sql<{ name: string }>(
      "SELECT quote_ident(relname) AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    );
    const rows = await Promise.all(
      tables.map(({ name }) =>
        service.sql(`SELECT t::text AS row FROM ${name} AS t`).then((all) => JSON.stringify(all)),
      ),
    );
    const sealedPart = token.split('.')[3]!;
    const metrics = await service.app.get(Metrics).registry.metrics();
    for (const place of [log.text(), heard.join('\n'), rows.join('\n'), metrics]) {
      expect(place.length).toBeGreaterThan(100);
      expect(place).not.toContain(CANARY);
      expect(place).not.toContain(sealedPart);
    }
    expect(service.upstream.requests.some(({ headers }) => headers.authorization === `Bearer ${CANARY}`)).toBe(true);
  });
});

describe('the request for a token', () => {
  const limits = { requestsPerMinute: 1, requestsPerHour: 1, requestsPerDay: 1 };
  const made = (body: unknown): Promise<Answer> => service.call('POST', '/api/v1/oauth/token', { body });

  it.each<[string, unknown, string]>([
    ['nothing', {}, 'requestAuthAndQuotas'],
    [
      'one block of quotas',
      { requestAuthAndQuotas: { requestQuotas: { globalRequestLimits: limits } } },
      'perClientRequestLimits',
    ],
    ...[0, -1, 'a', null, undefined].map((value): [string, unknown, string] => [
      `${value} requests an hour`,
      {
        requestAuthAndQuotas: {
          requestQuotas: { globalRequestLimits: limits, perClientRequestLimits: { ...limits, requestsPerHour: value } },
        },
      },
      'perClientRequestLimits.requestsPerHour',
    ]),
    [
      'a secret with a line break',
      { requestAuthAndQuotas: { serviceSecrets: [{ serviceId: '', authSecret: 'a\nb' }] } },
      'authSecret',
    ],
    ['a misspelled field', { requestAuthAndQuotas: { requestQuota: {} } }, 'requestQuota'],
    [
      'more secrets than fit into a token',
      { requestAuthAndQuotas: { serviceSecrets: Array(3).fill({ serviceId: 'x', authSecret: 'y'.repeat(2_500) }) } },
      'serviceSecrets',
    ],
    ...['1', 'h', '2 fortnights', '-1h', '0s', '367d', '99999y', '2  h', ''].map((span): [string, unknown, string] => [
      `the span '${span}'`,
      { requestAuthAndQuotas: {}, expirationTimeSpan: span },
      'expirationTimeSpan',
    ]),
  ])('%s is refused, naming the field', async (_what, body, field) => {
    const answer = await made(body);
    const { error } = answer.json<{ error: { type: string; message: string } }>();
    expect([answer.status, error.type]).toEqual([400, 'invalid_request']);
    expect(error.message).toContain(field);
  });

  const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800, y: 31_557_600 };
  const UNITS: readonly (readonly [keyof typeof SECONDS, readonly string[]])[] = [
    ['s', ['s', 'sec', 'second', 'seconds']],
    ['m', ['m', 'min', 'minute', 'minutes']],
    ['h', ['h', 'hr', 'hour', 'hours']],
    ['d', ['d', 'day', 'days']],
    ['w', ['w', 'week', 'weeks']],
    ['y', ['y', 'yr', 'year', 'years']],
  ];

  /** The lifetime of a token, as the token says. */
  async function lifeOf(span?: string): Promise<number> {
    const { token } = await mint(service, span === undefined ? {} : { span });
    const { plaintext } = await compactDecrypt(token.slice('aisbreaker_'.length), NEW.secret);
    const { iat, exp } = JSON.parse(Buffer.from(plaintext).toString()) as { iat: number; exp: number };
    return exp - iat;
  }

  it.each(UNITS)('a span in each spelling of %s has the length that it says', async (unit, spellings) => {
    for (const spelling of spellings) {
      for (const span of [`1${spelling}`, `1 ${spelling.toUpperCase()}`])
        expect([span, await lifeOf(span)]).toEqual([span, SECONDS[unit]]);
    }
  });

  it('two hours are the default span, and 366 days the longest', async () => {
    expect(await lifeOf()).toBe(2 * 3_600);
    expect([await lifeOf('365d'), await lifeOf('366 days')]).toEqual([365 * 86_400, 366 * 86_400]);
    expect(await lifeOf('1.5h')).toBe(5_400);
  });

  it('a repeat by its Idempotency-Key makes no second token and shows none; another request with it is refused', async () => {
    const org = await service.createOrg('of-repeats');
    const { key } = await service.createKey(org);
    for (const credential of [{}, { 'x-api-key': key }]) {
      const ask = (span: string): Promise<Answer> =>
        service.call('POST', '/api/v1/oauth/token', {
          headers: { 'idempotency-key': 'a-key', ...credential },
          body: { requestAuthAndQuotas: { serviceSecrets: [OPENAI] }, expirationTimeSpan: span },
        });
      const [first, again, other] = [await ask('2h'), await ask('2h'), await ask('3h')];
      expect(first.json()).toEqual({
        access_token: expect.stringMatching(/^aisbreaker_/) as string,
        token_type: 'Bearer',
      });
      expect(again.json()).toEqual({ token_type: 'Bearer', notice: expect.stringContaining('only once') as string });
      expect(again.headers).toMatchObject({
        'x-gatehouse-idempotent-replay': 'true',
        'x-gatehouse-token-jti': first.headers['x-gatehouse-token-jti'],
      });
      expect([other.status, other.json<{ error: { type: string } }>().error.type]).toEqual([409, 'invalid_request']);
    }
    const rows = await service.sql('SELECT i::text AS row FROM idempotency_keys AS i');
    expect(rows).toHaveLength(2);
    expect(JSON.stringify(rows)).not.toContain(OPENAI.authSecret);
  });

  it('only a known host name is accepted', async () => {
    const answer = await askForToken(service, { host: 'elsewhere.example.org' });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('PUBLIC_HOSTNAMES')]);
  });

  it('additional fields of OAuth’s clients are accepted and have no effect', async () => {
    const body = { requestAuthAndQuotas: { serviceSecrets: [OPENAI] }, clientId: 'a', clientSecret: 'b' };
    expect((await made(body)).status).toBe(200);
  });

  it('a caller without a key gets no token where the operator forbids that', async () => {
    const closed = await startService({ ...service, settings: { anonymousTokens: 'off' } });
    try {
      const org = await closed.createOrg('of-a-closed-service');
      const { key } = await closed.createKey(org);
      expect((await askForToken(closed)).status).toBe(401);
      expect((await askForToken(closed, { key })).status).toBe(200);
      expect((await processing(closed, null, { serviceId: 'chat:dummy' })).status).toBe(401);
    } finally {
      await closed.stop();
    }
  });
});
