/** The erasure of a human: what is deleted, what stays without a name, and what happens when the human comes again. */
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { streamPieces } from '../../support/openai-upstream.js';
import type { Answer, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { dump } from '../../support/sql.js';
import { settledCall } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { ownerOf } from '../orgs/people.js';
import { expectPlatformRefusal } from '../refusals.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';

let service: SharedService;
let org: Org;
let key: string;
let keyId: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

beforeEach(async () => {
  org = await service.createOrg();
  ({ key, keyId } = await service.createKey(org, {
    scopes: ['humans:read', 'humans:write', 'chat:write', 'usage:read', 'usage:write', 'users:impersonate'],
  }));
});

const send = (route: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: { 'x-api-key': key, ...headers }, body });
const completion = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 50 };
const humanRow = async (human: string): Promise<{ id: string; request_cnt: string | null } | undefined> =>
  (
    await service.sql<{ id: string; request_cnt: string | null }>(
      `SELECT id, request_cnt::text FROM ${HUMAN_LIMITS} AS h WHERE tenant_id = $1 AND human = $2`,
      [org.tenantId, human],
    )
  )[0];

it('leaves nothing of the name anywhere, however it was first mentioned', async () => {
  const human = `erin-${randomUUID()}@example.org`;
  const body = { human, limits: [{ type: 'request_cnt', value: 100 }] };
  expect((await send('humans/upsert', body, { 'idempotency-key': `upsert ${keyId}` })).status).toBe(200);
  const row = await humanRow(human);
  await service.sql(
    `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
     VALUES ($1, $2, $3, $4, now() + interval '1 hour')`,
    [`utk_${randomUUID()}`, org.tenantId, keyId, row!.id],
  );
  for (const header of ['x-human-id', 'x-on-behalf-of']) {
    const answer = await service.call('POST', '/v1/chat/completions', {
      headers: { authorization: `Bearer ${key}`, [header]: human },
      body: completion,
    });
    expect(answer.status).toBe(200);
  }
  await eventually(
    async () => (await service.sql("SELECT 1 FROM usage_records WHERE state = 'RESERVED'")).length === 0,
  );

  expect((await send('humans/delete', { human })).json()).toStrictEqual({});
  expect(await dump(service.database.superuserUrl)).not.toContain(human);
  expect(await service.sql('SELECT 1 FROM usage_tokens WHERE human_id = $1', [row!.id])).toEqual([]);
  expect(await service.sql('SELECT 1 FROM usage_records WHERE human_id = $1', [row!.id])).toHaveLength(2);
  const { events } = await service.asUser<{ events: { action: string; subject?: object; resource: object }[] }>(
    ownerOf(org),
    'audit/list',
  );
  expect(events).toContainEqual(
    expect.objectContaining({ action: 'human.deleted', resource: { type: 'human', id: row!.id } }),
  );
  expect(events).toContainEqual(
    expect.objectContaining({ action: 'request.impersonated', subject: { humanId: row!.id } }),
  );
});

it("is not found by any caller, and can't be erased twice", async () => {
  await send('humans/upsert', { human: 'twice' });
  expect((await send('humans/delete', { human: 'twice' })).status).toBe(200);
  for (const route of ['get', 'delete'])
    await expectPlatformRefusal(service, () => send(`humans/${route}`, { human: 'twice' }), 404);
});

it('is not recreated by the repeat of an earlier upsert', async () => {
  const once = () => send('humans/upsert', { human: 'repeated' }, { 'idempotency-key': `repeated ${keyId}` });
  const first = await once();
  await send('humans/delete', { human: 'repeated' });
  const again = await once();
  expect([again.status, again.json<{ human: object }>().human]).toEqual([200, first.json<{ human: object }>().human]);
  expect(await humanRow('repeated')).toBeUndefined();
});

it("comes again as a new human with the tenant's default limits, by each way of naming one", async () => {
  await service.asUser(ownerOf(org), 'tenants/update', {
    tenantId: org.tenantId,
    defaultLimits: [{ type: 'request_cnt', value: 5 }],
  });
  const again: Record<string, () => Promise<Answer>> = {
    upsert: () => send('humans/upsert', { human: 'back' }),
    call: () =>
      service.call('POST', '/v1/chat/completions', {
        headers: { authorization: `Bearer ${key}`, 'x-human-id': 'back' },
        body: completion,
      }),
  };
  for (const come of Object.values(again)) {
    await send('humans/upsert', { human: 'back', removeLimits: ['request_cnt'] });
    const before = await humanRow('back');
    expect(before?.request_cnt).toBeNull();
    await send('humans/delete', { human: 'back' });
    expect((await come()).status).toBe(200);
    const after = await humanRow('back');
    expect(after?.id).not.toBe(before?.id);
    expect(after?.request_cnt).not.toBeNull();
  }
});

it('whose stream is open gets all of it, and it settles into a row without a name', async () => {
  await service.sql('DELETE FROM usage_records');
  const human = `streaming-${randomUUID()}`;
  await send('humans/upsert', { human, limits: [{ type: 'token_cnt', value: 10_000 }] });
  const row = await humanRow(human);
  const words = Array.from({ length: 30 }, (_, index) => ` word${index}`);
  let goOn: () => void = () => undefined;
  const erased = new Promise<void>((resolve) => (goOn = resolve));
  const pieces = streamPieces({ words });
  const [held, ...rest] = pieces.splice(4);
  service.upstream.next({ kind: 'stream', pieces: [...pieces, erased.then(() => held), ...rest] });
  const stream = OpenStream.start(service, key, { ...completion, stream: true }, { 'x-human-id': human });
  await stream.until('word1');
  expect((await send('humans/delete', { human })).status).toBe(200);
  expect(stream.ended).toBe(false);
  goOn();
  expect(await stream.whole()).toContain('word29');
  const settled = await settledCall(service);
  expect(settled).toMatchObject({ state: 'SETTLED', outcome: 'OK', human_id: row!.id });
  expect(settled.output_tokens).toBeGreaterThan(29);
  expect(await humanRow(human)).toBeUndefined();
  expect(await service.sql('SELECT 1 FROM humans WHERE id = $1', [row!.id])).toEqual([]);
});
