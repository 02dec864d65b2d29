/** Reasons of refusals: the caller gets a code that reveals nothing, the log and the metrics get the real reason. */
import { newSecretKey } from '../../../src/keys/key-format.js';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { captureLog, type CapturedLog } from '../../support/captured-log.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { openaiError } from '../refusals.js';

let service: TestService;
let org: Org;
let log: CapturedLog;

beforeAll(async () => {
  service = await startService({ settings: { trustedProxies: ['127.0.0.1/32'] } });
  org = await service.createOrg('founder');
});

afterAll(() => service.stop());

beforeEach(() => {
  log = captureLog('warn');
});

afterEach(() => log.stop());

let last = 0;
/** Each call comes from a new address, since the log has one line for each reason and address. */
function models(headers: Record<string, string>): Promise<Answer> {
  last += 1;
  return service.call('GET', '/v1/models', { headers: { ...headers, 'x-forwarded-for': `198.51.100.${last}` } });
}
const asUser = (claims: Record<string, unknown>): Record<string, string> => ({
  authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId, claims })}`,
});
const now = (): number => Math.floor(Date.now() / 1000);

async function revokedKey(): Promise<Record<string, string>> {
  const { keyId, key } = await service.createKey(org);
  await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { key_id: keyId });
  while ((await models({ 'x-api-key': key })).status === 200);
  return { 'x-api-key': key };
}

async function expiredKey(): Promise<Record<string, string>> {
  const { keyId, key } = await service.createKey(org);
  await service.sql("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1", [keyId]);
  return { 'x-api-key': key };
}

it.each<[string, string, string, () => Promise<Record<string, string>> | Record<string, string>]>([
  ['nothing at all', 'missing_credential', 'missing', () => ({})],
  ['Basic', 'wrong_scheme', 'wrong_scheme', () => ({ authorization: 'Basic dTpw' })],
  ['a key cut short', 'malformed_credential', 'malformed_key', () => ({ 'x-api-key': newSecretKey().slice(0, -1) })],
  ['a word', 'malformed_credential', 'unknown_shape', () => ({ authorization: 'Bearer letmein' })],
  ['a publishable key alone', 'publishable_key_needs_user_token', 'no_user_token', () => ({ 'x-api-key': 'pk_gh_x' })],
  [
    'a key that does not exist',
    'invalid_credential',
    'unknown_or_revoked_key',
    () => ({ 'x-api-key': newSecretKey() }),
  ],
  ['a revoked key', 'invalid_credential', 'unknown_or_revoked_key', revokedKey],
  ['an expired key', 'invalid_credential', 'expired_key', expiredKey],
  ['an expired token', 'expired_token', 'expired_token', () => asUser({ exp: now() - 1 })],
  ['a token from the future', 'invalid_credential', 'not_yet_valid', () => asUser({ nbf: now() + 600 })],
  ['a token of another audience', 'invalid_credential', 'wrong_audience', () => asUser({ aud: 'another' })],
  ['a token of another issuer', 'invalid_credential', 'unknown_issuer', () => asUser({ iss: 'https://other.example' })],
])('%s: the caller gets %s, the log says %s', async (_what, code, reason, headersOf) => {
  const headers = await headersOf();
  const before = log.lines.length;
  const answer = await models(headers);
  expect(openaiError(answer, 401).code).toBe(code);
  expect(log.lines.slice(before)).toMatchObject([
    { level: 40, reason, code, address: `198.51.100.${last}`, requestId: answer.headers['x-request-id'] },
  ]);
  // Neither reveals the credential, and the answer reveals no reason beyond the code.
  for (const value of Object.values(headers)) {
    const secret = value.replace(/^\w+ /, '');
    expect(answer.text).not.toContain(secret);
    expect(log.text()).not.toContain(secret);
  }
  if (code === 'invalid_credential') expect(answer.text).not.toContain(reason);
});

it('answers an unknown, a revoked and an expired key with the same words and headers', async () => {
  const answers = [
    await models({ 'x-api-key': newSecretKey() }),
    await models(await revokedKey()),
    await models(await expiredKey()),
  ].map(({ status, text, headers }) => ({ status, text, challenge: headers['www-authenticate'] }));
  expect(answers[0]).toMatchObject({ status: 401, challenge: 'Bearer error="invalid_token"' });
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
});

it('logs the issuer of a token, and the key that it came with', async () => {
  await models(asUser({ iss: 'https://other.example' }));
  expect(log.lines.at(-1)).toMatchObject({ reason: 'unknown_issuer', issuer: 'https://other.example' });
});

it('counts each refusal by its reason, including those that were not logged or were answered 429', async () => {
  const { failedAuthentications } = service.app.get(Metrics);
  const counted = async (): Promise<number> =>
    (await failedAuthentications.get()).values.find(({ labels }) => labels.reason === 'unknown_shape')?.value ?? 0;
  const before = await counted();
  const headers = { authorization: 'Bearer letmein', 'x-forwarded-for': '203.0.113.9' };
  for (let i = 0; i < 5; i += 1) await service.call('GET', '/v1/models', { headers });
  expect(await counted()).toBe(before + 5);
  expect(log.lines.filter(({ address }) => address === '203.0.113.9')).toHaveLength(1);
});
