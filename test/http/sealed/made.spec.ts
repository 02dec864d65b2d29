/** Making sealed access tokens: without a credential, and with a secret key. */
import OpenAI from 'openai';
import { eventually } from '../../support/eventually.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { clearLedger, settledCall } from '../ledger.js';
import { MANY_OF_EACH, askForToken, mint, mintBody, OPENAI_SECRET, processing, textOf } from './sealed-client.js';

let service: TestService;
let org: Org;
let keyId: string;

beforeAll(async () => {
  service = await startService({ settings: MANY_OF_EACH });
  org = await service.createOrg('founder');
  ({ keyId } = await service.createKey(org));
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const sentUpstream = (): (string | undefined)[] =>
  service.upstream.requests.map(({ headers }) => headers.authorization);

describe('a token that is made without a credential', () => {
  it('begins as clients expect, and must not be cached on the way', async () => {
    const answer = await askForToken(service, { span: '365d', client: [60, 600, 600], global: [120, 1200, 1200] });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      access_token: expect.stringMatching(/^aisbreaker_eyJ2ZXIi/),
      token_type: 'Bearer',
    });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('works on /process: its secret for the service arrives upstream, and the call is in the ledger', async () => {
    const { token } = await mint(service);
    const answer = await processing(service, token);
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      outputs: [{ text: { index: 0, role: 'assistant', content: expect.stringMatching(/./) } }],
      conversationState: expect.any(String),
      usage: {
        service: { serviceId: 'chat:openai.com/gpt-4o-mini', engine: 'gpt-4o-mini' },
        totalMilliseconds: expect.any(Number),
      },
    });
    expect(sentUpstream()).toEqual([`Bearer ${OPENAI_SECRET}`]);
    const sent = JSON.parse(service.upstream.requests[0]!.body.toString()) as Record<string, unknown>;
    expect(sent).toMatchObject({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }] });
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', model: 'gpt-4o-mini' });
    const rows = await service.sql(
      'SELECT tenant_id, key_id, provider, length(sealed_token_hash) AS hash FROM usage_records',
    );
    expect(rows).toEqual([{ tenant_id: 'gatehouse-anonymous', key_id: null, provider: 'sealed/openai.com', hash: 64 }]);
  });

  it.each([
    ['gpt-4o-mini', 'gpt-4o-mini'],
    ['chat:openai.com/gpt-4o-mini', 'gpt-4o-mini'],
    ['openai.com/gpt-4o', 'gpt-4o'],
    ['ft:gpt-4o-mini:acme::b7', 'ft:gpt-4o-mini:acme::b7'],
  ])('works for completions of OpenAI’s client: %s goes upstream as %s', async (model, sent) => {
    const { token } = await mint(service);
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
    const completion = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hi' }] });
    expect(completion.choices[0]?.message.content).toMatch(/./);
    expect(sentUpstream()).toEqual([`Bearer ${OPENAI_SECRET}`]);
    expect(JSON.parse(service.upstream.requests[0]!.body.toString())).toMatchObject({ model: sent });
  });

  it('works for embeddings and responses too', async () => {
    const { token } = await mint(service);
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
    await client.embeddings.create({ model: 'text-embedding-3-small', input: 'a' });
    await client.responses.create({ model: 'gpt-4o-mini', input: 'a' });
    expect(sentUpstream()).toEqual([`Bearer ${OPENAI_SECRET}`, `Bearer ${OPENAI_SECRET}`]);
  });

  it.each(['chat:dummy', 'chat:dummy/any'])('works for the echo, without any secret: %s', async (serviceId) => {
    const { token } = await mint(service, { secrets: [] });
    expect(textOf(await processing(service, token, { serviceId, text: 'Echo' }))).toContain('Echo');
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: token, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Echo' }];
    expect(
      (await client.chat.completions.create({ model: serviceId, messages })).choices[0]?.message.content,
    ).toContain('Echo');
    expect(service.upstream.requests).toEqual([]);
  });
});

describe('a token that is made with a secret key', () => {
  it("belongs to the key's tenant, has the key's id, and ends with the key", async () => {
    const { key: mortal, keyId: mortalId } = await service.createKey(org);
    const { token } = await mint(service, { key: mortal });
    expect((await processing(service, token)).status).toBe(200);
    await settledCall(service);
    expect(await service.sql('SELECT tenant_id, key_id FROM usage_records')).toEqual([
      { tenant_id: org.tenantId, key_id: mortalId },
    ]);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { key_id: mortalId });
    await eventually(async () => (await processing(service, token)).status === 401);
  });

  it('is limited by the budgets of its key and of its tenant', async () => {
    const limited = await service.createKey(org);
    await service.asUser({ user: org.user, tenant: org.tenantId }, 'budgets/set', {
      ...{ holder: { keyId: limited.keyId }, type: 'request_cnt', period: 'DAY', limit: '1' },
    });
    const { token } = await mint(service, { key: limited.key });
    expect((await processing(service, token)).status).toBe(200);
    const refused = await processing(service, token);
    expect([refused.status, refused.headers['retry-after'], service.upstream.requests.length]).toEqual([
      429,
      expect.stringMatching(/^\d+$/),
      1,
    ]);
  });

  it('can use only the models of the key', async () => {
    const confined = await service.createKey(org);
    await service.sql("UPDATE api_keys SET models = '{gpt-4o}' WHERE id = $1", [confined.keyId]);
    const { token } = await mint(service, { key: confined.key });
    expect((await processing(service, token, { serviceId: 'chat:openai.com/gpt-4o' })).status).toBe(200);
    expect((await processing(service, token)).status).toBe(403);
    expect(service.upstream.requests.length).toBe(1);
  });

  it("needs a key with chat:write; other callers can't make tokens", async () => {
    const { key: reader } = await service.createKey(org, { scopes: ['usage:read'] });
    expect((await askForToken(service, { key: reader })).status).toBe(403);
    const token = service.dashboardToken({ user: org.user, tenant: org.tenantId });
    const headers = { authorization: `Bearer ${token}` };
    expect((await service.call('POST', '/api/v1/oauth/token', { headers, body: mintBody() })).status).toBe(403);
    expect(keyId).not.toBe('');
  });
});
