/** The service's log contains ids and numbers, and no prompt, answer or credential. */
import { UPSTREAM_MODEL, completion, errorBody, streamPieces } from '../../support/openai-upstream.js';
import { createTestDatabase } from '../../support/postgres.js';
import { PROVIDER_SECRET, startServiceProcess } from '../../support/service.js';
import { seedTenant } from '../../support/sql.js';
import { settledCalls } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { RawConnection } from '../raw-http.js';

it('a whole run’s log has no key, no token, no prompt and no answer, and is one JSON object a line', async () => {
  const database = await createTestDatabase();
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  const org = { orgId, tenantId, user: ownerId };
  const service = await startServiceProcess({
    database,
    providerTenants: [tenantId],
    env: {
      LOG_LEVEL: 'debug',
      GATEHOUSE_DRAIN_SECONDS: '1',
      GATEHOUSE_FIRST_BYTE_TIMEOUT_MS: '500',
      GATEHOUSE_BODY_LIMIT_BYTES: '50000',
    },
  });
  const { upstream } = service;
  const { key, keyId } = await service.createKey(org, { name: 'marker-key-name' });
  const token = service.dashboardToken({
    user: ownerId,
    tenant: tenantId,
    claims: { email: 'marker-email@example.com' },
  });
  const expired = service.dashboardToken({ user: ownerId, claims: { exp: 1 } });

  const ask = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'marker-prompt' }] };
  const post = (body: unknown, headers: Record<string, string> = { 'x-api-key': key }) =>
    service.call('POST', '/v1/chat/completions?q=marker-query', { headers, body });
  const said = { words: ['marker-answer'] };
  const refusal = (status: number) =>
    ({
      kind: 'body',
      status,
      body: errorBody(`The provider quotes marker-prompt and ${PROVIDER_SECRET}.`, 'marker_type', null),
    }) as const;

  // Calls that succeed.
  upstream.next({ kind: 'body', body: completion(said) });
  await post(ask);
  upstream.next({ kind: 'stream', pieces: streamPieces(said) });
  await post({ ...ask, stream: true, tools: [{ type: 'function', function: { name: 'marker_tool' } }] });
  await post(ask, { authorization: `Bearer ${token}`, cookie: 'marker-cookie', 'user-agent': 'marker-agent' });
  await service.asUser({ user: ownerId, tenant: tenantId }, 'api-keys/list');
  // Mistakes of the caller.
  await post('{"messages":"marker-prompt" x');
  await post({ ...ask, model: 'marker-model', max_tokens: 'marker-number' });
  await post('x'.repeat(60_000));
  await post(ask, { 'x-api-key': `${key.slice(0, -1)}!` });
  await post(ask, { authorization: `Bearer ${expired}` });
  await post(ask, { 'x-api-key': key, authorization: `Bearer ${token}` });
  await post(ask, { 'x-api-key': key, 'x-human-id': 'marker-human', 'x-request-id': 'marker id "hostile"' });
  await service.call('GET', `/nothing/here?key=${key}`, { headers: { 'x-api-key': key } });
  // A secret in the path, where it does not belong.
  for (const secret of [key, token, 'inv_marker0', 'whsec_marker0', 'aisbreaker_marker0', `pk_gh_marker0`]) {
    await service.call('GET', `/v1/models/${secret}`, { headers: { 'x-api-key': key } });
  }
  await service.call('POST', '/api/v1/api-keys/create', {
    headers: { authorization: `Bearer ${token}` },
    body: { name: 'marker-body\0' },
  });
  const raw = await RawConnection.open(service.baseUrl);
  raw.send(`GET /v1/%zz?${key} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\n\r\n`);
  await raw.answer();
  raw.send(`GET / HTTP/1.1\r\nX-API-Key: ${key}\0\r\n\r\n`);
  await raw.closed();
  // Failures of the upstream.
  const failures = [
    refusal(400),
    refusal(401),
    refusal(500),
    { kind: 'body', body: '{"marker-answer' },
    { kind: 'cut' },
    { kind: 'hang' },
  ] as const;
  for (const failure of failures) {
    upstream.next(failure);
    await post(ask);
  }
  upstream.next({ kind: 'stream', pieces: streamPieces(said), breakAfter: 2 });
  await post({ ...ask, stream: true });
  // Calls that are cut short, by the caller and by the shutdown.
  upstream.next({ kind: 'stream', pieces: streamPieces(said), stallAfter: 2 });
  const abandoned = OpenStream.start(service, key, { ...ask, stream: true });
  await abandoned.until('marker-answer');
  abandoned.hangUp();
  upstream.next({ kind: 'stream', pieces: streamPieces(said), stallAfter: 2 });
  const last = OpenStream.start(service, key, { ...ask, stream: true });
  await last.until('marker-answer');
  service.process.signal('SIGTERM');
  await last.whole();
  const { code, stdout, stderr } = await service.process.exited;
  await settledCalls(service, 13);
  await service.stop();
  await database.drop();

  expect(code).toBe(0);
  const written = stdout + stderr;
  const secrets = {
    'the key': key.slice(12),
    'its whole text': key,
    'its hash or hex': Buffer.from(key).toString('base64').slice(8, 40),
    'the provider’s key': PROVIDER_SECRET,
    'the token': token.split('.')[2]!,
    'the token’s claims': token.split('.')[1]!,
    'the expired token': expired.split('.')[2]!,
    'the database’s address': database.ownerUrl,
    'what was said': 'marker',
  };
  const found = Object.entries(secrets).filter(([, secret]) => written.includes(secret));
  expect(found.map(([what]) => what)).toEqual([]);
  const lines = stdout.split('\n').filter((line) => line !== '');
  expect(lines.filter((line) => !/^\{.*\}$/.test(line))).toEqual([]);
  // It is still a useful log: who, what, how it ended.
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const requests = told.filter(({ path }) => path === '/v1/chat/completions');
  expect(requests.length).toBeGreaterThan(10);
  expect(requests[0]).toMatchObject({
    tenantId,
    subject: `key:${keyId}`,
    method: 'POST',
    status: 200,
    requestId: expect.any(String) as string,
  });
  const [call] = told.filter(({ msg }) => msg === 'call');
  expect(call).toMatchObject({
    requestId: requests[0]!.requestId,
    tenantId,
    subject: `key:${keyId}`,
    operation: 'chat',
    provider: 'openai',
    model: UPSTREAM_MODEL,
    streamed: false,
    outcome: 'OK',
    providerStatus: 200,
    attempts: 1,
    inputTokens: 9,
    outputTokens: 12,
    estimated: false,
    costUsd: expect.any(Number) as number,
    durationMs: expect.any(Number) as number,
    firstByteMs: expect.any(Number) as number,
  });
  expect(new Set(told.filter(({ msg }) => msg === 'call').map(({ outcome }) => outcome))).toContain('CLIENT_ABORTED');
});
