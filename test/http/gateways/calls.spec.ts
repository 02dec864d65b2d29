/** Calls by a gateway and its tokens: which tokens are valid, where a call goes, and its row in the ledger. */
import OpenAI from 'openai';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { startReplicas, stopReplicas } from '../../support/replicas.js';
import type { Answer, Org, TestService } from '../../support/service.js';
import { RawConnection } from '../raw-http.js';
import {
  GATEWAY_SECRET,
  INVALID_TOKEN,
  SETTINGS,
  ask,
  call,
  chat,
  chatBody,
  create,
  createToken,
  post,
  type Made,
  type TokenView,
} from './gateways.js';

let service: TestService;
let other: TestService;
let upstream: OpenaiUpstream;
let org: Org;
let made: Made;

beforeAll(async () => {
  [service, other] = await startReplicas(SETTINGS, SETTINGS);
});

afterAll(() => stopReplicas([service, other]));

let tests = 0;
beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  org = await service.createOrg(`caller-${(tests += 1)}`, undefined, { provider: false });
  made = await create(service, org, upstream);
});

afterEach(() => upstream.close());

const clientOf = (token: string, gatewayId = made.gateway.id, replica = service): OpenAI =>
  new OpenAI({ apiKey: token, baseURL: `${replica.baseUrl}/gateways/${gatewayId}/v1`, maxRetries: 0 });

const firstToken = async (): Promise<TokenView> => {
  const { tokens } = await call<{ tokens: TokenView[] }>(service, org, 'GET', `${made.gateway.id}/tokens`);
  return tokens.at(-1)!;
};

it('leads from a new gateway to a completion by the openai package, on each replica, and records whose call it was', async () => {
  for (const replica of [service, other]) {
    const completion = await clientOf(made.token, made.gateway.id, replica).chat.completions.create({
      model: 'gpt-4o-mini',
      messages: [{ role: 'user', content: 'Say hello.' }],
    });
    expect(completion.choices[0]?.message.content).toMatch(/\w/);
  }
  expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${GATEWAY_SECRET}`,
    `Bearer ${GATEWAY_SECRET}`,
  ]);
  const { id } = await firstToken();
  const row = {
    ...{ provider: 'openai_compatible/openai_compatible', model: 'gpt-4o-mini', operation: 'chat', state: 'SETTLED' },
    ...{ gateway_id: made.gateway.id, gateway_token_id: id, key_id: null, human_id: null },
  };
  await eventually(async () =>
    expect(
      await service.sql(
        `SELECT provider, model, gateway_id, gateway_token_id, key_id, human_id, operation, state
         FROM usage_records WHERE tenant_id = $1`,
        [org.tenantId],
      ),
    ).toEqual([row, row]),
  );
});

it('serves streams, embeddings, responses and the list of models through the openai package', async () => {
  const client = clientOf(made.token);
  const stream = await client.chat.completions.create({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content: 'Say hello.' }],
    stream: true,
  });
  let said = '';
  for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? '';
  expect(said).toBe('Hello from the upstream.');
  const embeddings = await client.embeddings.create({ model: 'gpt-4o-mini', input: 'words' });
  expect(embeddings.data).toHaveLength(1);
  const response = await client.responses.create({ model: 'gpt-4o-mini', input: 'Say hello.' });
  expect(response.output_text).toBe('Hello from the upstream.');
  expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['gpt-4o-mini']);
});

it('shows one model under each name that a call can use for it, and under no other', async () => {
  const client = clientOf(made.token);
  for (const id of ['gpt-4o-mini', 'openai_compatible/gpt-4o-mini'])
    expect(await client.models.retrieve(id)).toMatchObject({ id, object: 'model' });
  const path = `/gateways/${made.gateway.id}/v1/models`;
  const get = (at: string, token: string): Promise<Answer> =>
    service.call('GET', at, { headers: { authorization: `Bearer ${token}` } });
  expect((await get(`${path}/openai_compatible/gpt-4o-mini`, made.token)).status).toBe(200);
  const missing = await get(`${path}/no-such-model`, made.token);
  expect([missing.status, missing.json<{ error: { code: string } }>().error.code]).toEqual([404, 'model_not_found']);
  const wrong = await get(`${path}/gpt-4o-mini`, `${made.token}x`);
  expect([wrong.status, wrong.text]).toEqual([401, INVALID_TOKEN]);
});

it("calls the provider and model of the path, whatever the body says, or the one that a model's name selects", async () => {
  const second = await OpenaiUpstream.start();
  const two = await create(service, org, upstream, {
    name: 'two-providers',
    providers: [
      { provider: 'openai_compatible', name: 'first', apiKey: 'sk-of-the-first', endpoint: upstream.baseUrl },
      { provider: 'openai_compatible', name: 'second', apiKey: 'sk-of-the-second', endpoint: second.baseUrl },
    ],
  });
  const path = `/gateways/${two.gateway.id}/second/${encodeURIComponent('vendor/model-1')}/chat/completions`;
  for (const body of [chatBody(), { messages: [{ role: 'user', content: 'Hi' }] }])
    expect(await post(service, path, two.token, body)).toMatchObject({ status: 200 });
  expect(await chat(service, two.gateway.id, two.token, { model: 'second/m-2' })).toMatchObject({ status: 200 });
  expect(await chat(service, two.gateway.id, two.token, { model: 'first/m-3' })).toMatchObject({ status: 200 });
  const asked = ({ requests }: OpenaiUpstream): unknown[] =>
    requests.map(({ body, headers }) => [
      (JSON.parse(body.toString()) as { model: string }).model,
      headers.authorization,
    ]);
  expect(asked(second)).toEqual([
    ['vendor/model-1', 'Bearer sk-of-the-second'],
    ['vendor/model-1', 'Bearer sk-of-the-second'],
    ['m-2', 'Bearer sk-of-the-second'],
  ]);
  expect(asked(upstream)).toEqual([['m-3', 'Bearer sk-of-the-first']]);
  const unknown = await post(service, `/gateways/${two.gateway.id}/third/m/chat/completions`, two.token, chatBody());
  expect(unknown.status).toBe(404);
  await second.close();
});

it('answers byte for byte the same for each kind of invalid token, before anything goes upstream', async () => {
  const { id } = made.gateway;
  const neighbour = await create(service, org, upstream, { name: 'neighbour' });
  const foreigner = await service.createOrg(`foreigner-${tests}`, undefined, { provider: false });
  const foreign = await create(service, foreigner, upstream);
  const deleted = await createToken(service, org, id, { name: 'deleted' });
  await call(service, org, 'DELETE', `${id}/tokens/${deleted.id}`);
  const expired = await createToken(service, org, id, { name: 'expired', expiresAt: new Date(Date.now() + 3_600_000) });
  await service.sql("UPDATE gateway_tokens SET expires_at = now() - interval '1 second' WHERE id = $1", [expired.id]);
  const { key } = await service.createKey(org);
  const wrong: readonly (string | null)[] = [
    null,
    ...['', 'nonsense', 'gw_gh_0', `${made.token}x`, made.token.toLowerCase(), key, neighbour.token, foreign.token],
    ...[expired.token, deleted.token],
  ];
  await eventually(async () => {
    for (const token of wrong) {
      for (const path of [`/gateways/${id}/v1/chat/completions`, `/gateways/${id}/a/b/chat/completions`]) {
        const answer = await post(service, path, token, chatBody());
        expect([token, answer.status, answer.text]).toEqual([token, 401, INVALID_TOKEN]);
      }
    }
  });
  const elsewhere: readonly [string, string][] = [
    ['GET', `/gateways/${id}/v1/models`],
    ['POST', '/gateways/gateway_00000000000000000000/v1/chat/completions'],
    ['POST', '/gateways/%00/v1/chat/completions'],
    ['POST', `/gateways/${id}/v1/unknown`],
  ];
  for (const [method, path] of elsewhere) {
    const answer = await service.call(method, path, { headers: { authorization: `Bearer ${neighbour.token}` } });
    expect([path, answer.status, answer.text]).toEqual([path, 401, INVALID_TOKEN]);
  }
  expect(upstream.requests).toEqual([]);
  expect((await chat(service, id, made.token)).status).toBe(200);
});

it('prefers `cf-aig-authorization` to Authorization, which is then not passed on', async () => {
  const headers = { 'cf-aig-authorization': `Bearer ${made.token}`, authorization: 'Bearer sk-of-somebody-else' };
  expect(
    await post(service, `/gateways/${made.gateway.id}/v1/chat/completions`, null, chatBody(), headers),
  ).toMatchObject({
    status: 200,
  });
  const wrong = { 'cf-aig-authorization': 'Bearer nonsense', authorization: `Bearer ${made.token}` };
  expect(
    await post(service, `/gateways/${made.gateway.id}/v1/chat/completions`, null, chatBody(), wrong),
  ).toMatchObject({
    status: 401,
    text: INVALID_TOKEN,
  });
  const [sent] = upstream.requests;
  expect(upstream.requests).toHaveLength(1);
  expect(sent?.headers).toMatchObject({ authorization: `Bearer ${GATEWAY_SECRET}` });
  expect(JSON.stringify(sent?.rawHeaders)).not.toMatch(/aig|somebody-else|gw_gh_/);
});

it("accepts a gateway's token nowhere else", async () => {
  for (const [method, path] of [
    ['POST', '/v1/chat/completions'],
    ['GET', '/v1/models'],
    ['POST', '/api/v1/gateways/list'],
    ['GET', `/api/v1/gateways/${made.gateway.id}/tokens`],
  ] as const) {
    for (const header of ['authorization', 'x-api-key']) {
      const value = header === 'authorization' ? `Bearer ${made.token}` : made.token;
      const answer = await service.call(method, path, {
        headers: { [header]: value },
        body: method === 'POST' ? chatBody() : undefined,
      });
      expect([path, header, answer.status]).toEqual([path, header, 401]);
    }
  }
});

it('ends a deleted token, and all tokens of a deleted gateway, on every replica within a second', async () => {
  const token = await createToken(service, org, made.gateway.id);
  for (const replica of [service, other]) expect((await chat(replica, made.gateway.id, token.token)).status).toBe(200);
  await call(service, org, 'DELETE', `${made.gateway.id}/tokens/${token.id}`);
  for (const replica of [other, service])
    await eventually(
      async () => expect((await chat(replica, made.gateway.id, token.token)).text).toBe(INVALID_TOKEN),
      1000,
    );
  const again = await ask(service, org, 'DELETE', `${made.gateway.id}/tokens/${token.id}`);
  expect(again.status).toBe(404);
  await call(service, org, 'POST', 'delete', { gatewayId: made.gateway.id });
  for (const replica of [other, service])
    await eventually(
      async () => expect((await chat(replica, made.gateway.id, made.token)).text).toBe(INVALID_TOKEN),
      1000,
    );
});

it('shows when a token was last used', async () => {
  expect((await firstToken()).lastUsedAt).toBeUndefined();
  await chat(service, made.gateway.id, made.token);
  await eventually(async () => expect((await firstToken()).lastUsedAt).toMatch(/^\d{4}-/), 15_000);
});

const limitOf = (answer: Answer): unknown => {
  expect(answer.status).toBe(429);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
  return answer.json<{ details: unknown }>().details;
};

it('refuses by whichever limit of the token or the gateway is reached first, and applies an edit at once', async () => {
  const { id } = made.gateway;
  const limited = await createToken(service, org, id, { rateLimit: { requests: { limit: 2, window: 'DAY' } } });
  for (const replica of [service, other]) expect((await chat(replica, id, limited.token)).status).toBe(200);
  for (const replica of [service, other]) {
    expect(limitOf(await chat(replica, id, limited.token))).toMatchObject({
      ...{ holder: 'gateway_token', type: 'request_cnt', period: 'DAY' },
    });
  }
  expect((await chat(service, id, made.token)).status).toBe(200);
  const path = `${id}/tokens/${limited.id}`;
  await call(service, org, 'PATCH', path, { rate_limit: { requests: { limit: '3', window: 'DAY' } } });
  expect((await chat(other, id, limited.token)).status).toBe(200);
  expect((await chat(other, id, limited.token)).status).toBe(429);
  await call(service, org, 'PATCH', path, { rate_limit: {} });
  expect((await chat(other, id, limited.token)).status).toBe(200);
  await call(service, org, 'POST', 'update', { gatewayId: id, rateLimit: { tokens: { limit: 1, window: 'DAY' } } });
  expect(limitOf(await chat(other, id, limited.token))).toMatchObject({
    ...{ holder: 'gateway', type: 'token_cnt', period: 'DAY' },
  });
  await call(service, org, 'POST', 'update', { gatewayId: id, rateLimit: { cost: { limit: 0, window: 'MONTH' } } });
  expect(limitOf(await chat(other, id, limited.token))).toMatchObject({ holder: 'gateway', type: 'cost_micros' });
});

it('answers a caller with nothing left before the body has arrived, by the token’s limits and by the gateway’s', async () => {
  const { id } = made.gateway;
  const beforeTheBody = async (token: string): Promise<unknown> => {
    const connection = await RawConnection.open(service.baseUrl);
    connection.send(
      `POST /gateways/${id}/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 1000000\r\n\r\n`,
    );
    try {
      const answer = await connection.answer();
      expect(answer.json<{ error: { code: string } }>().error.code).toBe('usage_limit_exceeded');
      return [answer.status, answer.json<{ details: { holder: string } }>().details.holder];
    } finally {
      connection.destroy();
    }
  };
  const used = await createToken(service, org, id, {
    name: 'used up',
    rateLimit: { requests: { limit: 1, window: 'MONTH' } },
  });
  expect((await chat(service, id, used.token)).status).toBe(200);
  // An open call may give back what it holds: before the body only used amounts are certain.
  await eventually(
    async () => (await service.sql("SELECT 1 FROM usage_records WHERE state <> 'SETTLED'")).length === 0,
  );
  expect(await beforeTheBody(used.token)).toEqual([429, 'gateway_token']);
  await call(service, org, 'POST', 'update', { gatewayId: id, rateLimit: { tokens: { limit: 0, window: 'DAY' } } });
  expect(await beforeTheBody(made.token)).toEqual([429, 'gateway']);
  expect(upstream.requests).toHaveLength(1);
});

it("counts a gateway's and a token's calls for no other gateway or token", async () => {
  const { id } = made.gateway;
  const rateLimit = { requests: { limit: 1, window: 'MONTH' } };
  const neighbour = await create(service, org, upstream, { name: 'neighbour', rateLimit });
  const [one, other] = [
    await createToken(service, org, id, { name: 'one', rateLimit }),
    await createToken(service, org, id, { name: 'other', rateLimit }),
  ];
  const statuses = async (gatewayId: string, token: string): Promise<number[]> => [
    (await chat(service, gatewayId, token)).status,
    (await chat(service, gatewayId, token)).status,
  ];
  expect(await statuses(neighbour.gateway.id, neighbour.token)).toEqual([200, 429]);
  for (const { token } of [one, other]) expect(await statuses(id, token)).toEqual([200, 429]);
  expect(await statuses(id, made.token)).toEqual([200, 200]);
});
