/** Every log line of an impersonated request has both identities: the key by its id, the human by a keyed hash only. */
import { captureLog, type CapturedLog } from '../../support/captured-log.js';
import { UPSTREAM_MODEL, errorBody } from '../../support/openai-upstream.js';
import { createTestDatabase } from '../../support/postgres.js';
import { startService, startServiceProcess, type Answer, type ServiceClient } from '../../support/service.js';
import { seedTenant } from '../../support/sql.js';

const HUMAN = 'marker-human-ünï';
const PROMPT = 'marker-prompt';
const HASHED = /^human:[0-9a-f]{16}$/;

const bytes = (text: string): string => Buffer.from(text).toString('latin1');

/** A completion with a body in bytes: with text Node would encode the headers as UTF-8 once more. */
const complete = (service: ServiceClient, headers: Record<string, string>): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers,
    body: Buffer.from(JSON.stringify({ model: UPSTREAM_MODEL, messages: [{ role: 'user', content: PROMPT }] })),
  });

const onBehalfOf = (key: string, human = HUMAN): Record<string, string> => ({
  'x-api-key': key,
  'x-on-behalf-of': bytes(human),
});

/** Values that no log may contain: the human's own id in any spelling, the key, prompts and answers. */
function expectNothingSaid(text: string, key: string): void {
  const told = [HUMAN, bytes(HUMAN), 'marker-human', encodeURIComponent(HUMAN), key, key.slice(12), PROMPT];
  expect(told.filter((secret) => text.includes(secret))).toEqual([]);
}

it('the request’s own line and the lines of its errors have key id and human hash, and no human, key or prompt', async () => {
  const database = await createTestDatabase();
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  const service = await startServiceProcess({ database, providerTenants: [tenantId], env: { LOG_LEVEL: 'debug' } });
  const { key, keyId } = await service.createKey(
    { orgId, tenantId, user: ownerId },
    { scopes: ['chat:write', 'users:impersonate'] },
  );
  service.upstream.next({ kind: 'body', body: { choices: [{}] }, delayMs: 10 });
  service.upstream.next({ kind: 'body', status: 500, body: errorBody(`${HUMAN} ${PROMPT}`, 'server_error') });
  await complete(service, onBehalfOf(key));
  await complete(service, onBehalfOf(key));
  await service.call('GET', '/v1/models', { headers: onBehalfOf(key) });
  await service.call('GET', '/v1/models', { headers: { 'x-api-key': key, 'x-human-id': bytes(HUMAN) } });
  await service.call('GET', '/v1/models', { headers: onBehalfOf(key, `${HUMAN}2`) });
  await service.call('GET', '/v1/models', { headers: onBehalfOf(key, 'x'.repeat(300)) });
  await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } });
  const { stdout, stderr } = await service.process.stop();
  const { log } = service.process;
  await service.stop();
  await database.drop();

  expectNothingSaid(stdout + stderr, key);
  const requests = log.filter(({ msg, path }) => msg === 'request' && String(path).startsWith('/v1/'));
  expect(requests.map(({ path, status, subject }) => [path, status, subject])).toEqual([
    ['/v1/chat/completions', 200, `key:${keyId}`],
    ['/v1/chat/completions', 500, `key:${keyId}`],
    ...[200, 200, 200, 400, 200].map((status) => ['/v1/models', status, `key:${keyId}`]),
  ]);
  const [first, failed, models, charged, other, refused, nobody] = requests.map(({ human }) => human);
  expect(first).toMatch(HASHED);
  expect([failed, models, charged]).toEqual([first, first, first]);
  expect(other).toMatch(HASHED);
  expect(other).not.toBe(first);
  expect([refused, nobody]).toEqual([undefined, undefined]);
  // The provider's failure, logged within the second request.
  const within = log.filter(({ msg }) => msg === 'A provider failed a call.');
  expect(within).toEqual([
    expect.objectContaining({ tenantId, subject: `key:${keyId}`, human: first, requestId: requests[1]!['requestId'] }),
  ]);
});

describe('an error inside an impersonated request', () => {
  let captured: CapturedLog | undefined;

  afterEach(() => captured?.stop());

  it('is logged with both identities, even where the database’s own error quotes the row', async () => {
    const service = await startService();
    try {
      const org = await service.createOrg('founder');
      const { key, keyId } = await service.createKey(org, { scopes: ['chat:write', 'users:impersonate'] });
      await service.sql("ALTER TABLE humans ADD CONSTRAINT no_markers CHECK (human NOT LIKE 'marker%')");
      captured = captureLog('warn');
      expect((await service.call('GET', '/v1/models', { headers: onBehalfOf(key) })).status).toBe(503);
      expect((await complete(service, onBehalfOf(key))).status).toBeGreaterThanOrEqual(500);
      await service.sql('ALTER TABLE humans DROP CONSTRAINT no_markers');
      service.upstream.next({ kind: 'body', status: 500, body: errorBody(PROMPT, 'server_error') });
      expect((await complete(service, onBehalfOf(key))).status).toBe(500);
      const { lines } = captured;
      expect(lines).toHaveLength(3);
      const [line] = lines;
      expect(line).toMatchObject({
        tenantId: org.tenantId,
        subject: `key:${keyId}`,
        human: expect.stringMatching(HASHED) as string,
      });
      for (const { subject, human, requestId } of lines) {
        expect([subject, human]).toEqual([line!['subject'], line!['human']]);
        expect(requestId).toEqual(expect.stringMatching(/^req_/));
      }
      expectNothingSaid(captured.text(), key);
    } finally {
      await service.stop();
    }
  });

  it("has another hash for a human in another tenant, so that humans can't be followed across tenants", async () => {
    const service = await startService();
    try {
      const hashes: unknown[] = [];
      for (const founder of ['one', 'two']) {
        const org = await service.createOrg(founder);
        const { key } = await service.createKey(org, { scopes: ['chat:write', 'users:impersonate'] });
        service.upstream.next({ kind: 'body', status: 500, body: errorBody('x', 'server_error') });
        captured = captureLog('warn');
        await complete(service, onBehalfOf(key));
        hashes.push(captured.lines[0]!['human']);
        captured.stop();
      }
      expect(hashes[0]).toMatch(HASHED);
      expect(hashes[1]).toMatch(HASHED);
      expect(hashes[0]).not.toBe(hashes[1]);
    } finally {
      await service.stop();
    }
  });
});
