/** The log of a gateway's calls, with their bodies. */
import { randomUUID } from 'node:crypto';
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { type OpenaiUpstream, errorBody } from '../../support/openai-upstream.js';
import type { Org, TestService } from '../../support/service.js';
import { dump } from '../../support/sql.js';
import { CachingStage } from './caching-stage.js';
import { GATEWAY_SECRET, ask, call, chat, chatBody, create, createToken, type Made } from './gateways.js';

let stage: CachingStage;
let service: TestService;
let other: TestService;
let upstream: OpenaiUpstream;
let org: Org;
let made: Made;

beforeAll(async () => {
  stage = await CachingStage.start();
  ({ service, other } = stage);
});

afterAll(() => stage.stop());

beforeEach(async () => {
  await stage.begin();
  ({ upstream, org, made } = stage);
});

afterEach(() => stage.end());

const ids = (): string => made.gateway.id;

interface CallView {
  readonly callId: string;
  readonly status: string;
  readonly model: string;
  readonly cached: boolean;
  readonly tokenName?: string;
  readonly durationMs: number;
  readonly firstByteMs?: number;
}
const listed = (filter: object = {}): Promise<{ calls: CallView[]; nextPageToken: string }> =>
  call(service, org, 'POST', 'list-calls', { gatewayId: ids(), ...filter });

describe('the log of calls', () => {
  it('shows each call that has ended, with its usage, by filters and page by page', async () => {
    const second = await createToken(service, org, ids(), { name: 'second' });
    await stage.warm();
    await chat(other, ids(), second.token);
    upstream.next({ kind: 'body', status: 400, body: errorBody('no such thing', 'invalid_request_error') });
    await chat(service, ids(), second.token, { model: 'gpt-4o' });
    await eventually(async () => expect((await listed()).calls).toHaveLength(3));
    const { calls } = await listed();
    expect(calls.map(({ status, model, cached, tokenName }) => ({ status, model, cached, tokenName }))).toEqual([
      { status: 'Error', model: 'gpt-4o', cached: false, tokenName: 'second' },
      { status: 'Success', model: 'gpt-4o-mini', cached: true, tokenName: 'second' },
      { status: 'Success', model: 'gpt-4o-mini', cached: false, tokenName: 'default' },
    ]);
    expect(calls[2]).toMatchObject({
      ...{ operation: 'chat', provider: 'openai_compatible/openai_compatible', outcome: 'OK', statusCode: 200 },
      ...{ inputTokens: '9', outputTokens: '12', costMicros: expect.stringMatching(/^\d+(\.\d+)?$/) as string },
      durationMs: expect.any(Number) as number,
    });
    expect(calls.map(({ firstByteMs }) => firstByteMs)).toEqual([undefined, undefined, expect.any(Number)]);
    expect(calls[2]!.firstByteMs).toBeLessThanOrEqual(calls[2]!.durationMs);
    expect((await listed({ status: 'Error' })).calls).toEqual([calls[0]]);
    expect((await listed({ model: 'gpt-4o-mini' })).calls).toEqual([calls[1], calls[2]]);
    expect((await listed({ provider: 'cache' })).calls).toEqual([calls[1]]);
    expect((await listed({ token_id: second.id })).calls).toEqual([calls[0], calls[1]]);
    expect((await listed({ status: 'Timeout' })).calls).toEqual([]);
    expect((await listed({ endTime: '2020-01-01T00:00:00Z' })).calls).toEqual([]);
    const page = await listed({ pageSize: 2 });
    expect(page.calls).toEqual([calls[0], calls[1]]);
    expect((await listed({ pageSize: 2, pageToken: page.nextPageToken })).calls).toEqual([calls[2]]);
    const foreign = await ask(service, org, 'POST', 'list-calls', {
      gatewayId: ids(),
      status: 'Error',
      pageToken: page.nextPageToken,
    });
    expect(foreign.status).toBe(400);
  });

  it("shows a call that took too long as such, and no other gateway's calls", async () => {
    const neighbour = await create(service, org, upstream, { name: 'neighbour' });
    await chat(service, neighbour.gateway.id, neighbour.token);
    upstream.next({ kind: 'hang' });
    expect((await chat(other, ids(), made.token)).status).toBe(504);
    await eventually(async () => expect((await listed({ status: 'Timeout' })).calls).toHaveLength(1));
    const { calls } = await listed();
    expect(calls.map(({ status }) => status)).toEqual(['Timeout']);
    const got = await ask(service, org, 'POST', 'get-call', {
      gatewayId: neighbour.gateway.id,
      callId: calls[0]!.callId,
    });
    expect(got.status).toBe(404);
  });

  it('has encrypted bodies until their retention ends, where the gateway keeps them, and otherwise none', async () => {
    const canary = `canary-${randomUUID()}`;
    const log = captureLog();
    const asked = { messages: [{ role: 'user', content: canary }] };
    try {
      await chat(service, ids(), made.token, asked);
      await eventually(async () => expect((await listed()).calls).toHaveLength(1));
      const { callId } = (await listed()).calls[0]!;
      const get = (id: string): Promise<Record<string, string>> =>
        call(service, org, 'POST', 'get-call', { gatewayId: ids(), callId: id });
      expect(await get(callId)).not.toHaveProperty('requestBody');
      await call(service, org, 'POST', 'update', { gatewayId: ids(), bodies: { retentionDays: 2 } });
      const answer = await chat(service, ids(), made.token, { ...asked, seed: 1 });
      await eventually(async () => expect(await service.sql('SELECT 1 FROM gateway_call_bodies')).toHaveLength(1));
      // The bodies are written at the same time as the settlement, which adds the call to the list.
      await eventually(async () => expect((await listed()).calls).toHaveLength(2));
      const [latest] = (await listed()).calls;
      expect(await get(latest!.callId)).toMatchObject({
        requestBody: JSON.stringify(chatBody({ ...asked, seed: 1 })),
        responseBody: answer.text,
      });
      const everything = await dump(service.database.superuserUrl);
      for (const text of [canary, GATEWAY_SECRET, made.token, 'Hello from the upstream'])
        expect(everything).not.toContain(text);
      for (const text of [canary, GATEWAY_SECRET, made.token]) expect(log.text()).not.toContain(text);
      await service.sql("UPDATE gateway_call_bodies SET expires_at = now() - interval '1 second'");
      expect(await get(latest!.callId)).not.toHaveProperty('requestBody');
      expect(await service.sql('SELECT prune_gateways(100)')).toEqual([{ prune_gateways: 1 }]);
      expect(await service.sql('SELECT 1 FROM gateway_call_bodies')).toEqual([]);
    } finally {
      log.stop();
    }
  });
});
