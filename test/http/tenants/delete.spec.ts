import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL, streamPieces } from '../../support/openai-upstream.js';
import type { MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { rowsWith } from '../../support/tenant-remains.js';
import { OpenStream } from '../open-stream.js';
import { member, ownerOf, post } from '../orgs/people.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';

let service: SharedService;
let org: Org;
let staging: Org;
let tag: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

/** An org with a second tenant, which the tests delete. */
beforeEach(async () => {
  tag = service.unique();
  org = await service.createOrg(`founder-${tag}`);
  const { tenant } = await service.asUser<{ tenant: { id: string } }>(ownerOf(org), 'tenants/create', {
    name: 'Staging',
  });
  staging = { ...org, tenantId: tenant.id };
  await service.allowProvider(tenant.id);
});

const remove = (tenantId: string, name: string) => post(service, ownerOf(org), 'tenants/delete', { tenantId, name });
const chat = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'Hi' }] };
const complete = ({ key }: MadeKey) =>
  service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body: chat });

/** Only the tenant's tombstone is left, which has no person's name. */
async function expectTombstoneAlone(): Promise<void> {
  const remains = await rowsWith(service.database.superuserUrl, [staging.tenantId]);
  expect(remains).toEqual({
    audit_events: [
      {
        id: expect.any(String) as string,
        org_id: org.orgId,
        tenant_id: null,
        occurred_at: expect.any(String) as string,
        action: 'tenant.deleted',
        actor_type: 'user',
        actor_id: null,
        human_id: null,
        resource_type: 'tenant',
        resource_id: staging.tenantId,
        request_id: null,
        address: null,
        details: {},
      },
    ],
  });
}

it('needs the name typed exactly, and another tenant in the org', async () => {
  const wrong = await expectPlatformRefusal(service, () => remove(staging.tenantId, 'staging'), 400);
  expect(fieldsOf(wrong)).toEqual(['name']);
  const answer = await remove(staging.tenantId, 'Staging');
  expect([answer.status, answer.json()]).toEqual([200, {}]);
  await expectPlatformRefusal(service, () => remove(staging.tenantId, 'Staging'), 404);
  const [last] = await service.sql<{ name: string }>('SELECT name FROM tenants WHERE id = $1', [org.tenantId]);
  const { message } = await expectPlatformRefusal(service, () => remove(org.tenantId, last!.name), 409);
  expect(message).toContain('org');
});

it('ends the tenant’s keys and its people’s access; those of the other tenant stay', async () => {
  const [gone, stays] = [await service.createKey(staging), await service.createKey(org)];
  for (const key of [gone, stays]) expect((await complete(key)).status).toBe(200);
  await remove(staging.tenantId, 'Staging');
  await eventually(async () => (await complete(gone)).status === 401);
  await eventually(async () => (await post(service, member(staging, org.user), 'orgs/get')).status === 403);
  expect((await complete(stays)).status).toBe(200);
  expect(await service.asUser(ownerOf(org), 'tenants/list')).toMatchObject({ tenants: [{ id: org.tenantId }] });
  await expectTombstoneAlone();
});

it('moves the claims of its users to a tenant that they have', async () => {
  await service.addMember(org, `dev-${tag}`, 'developer');
  const dev = member(org, `dev-${tag}`);
  await service.asUser(dev, 'tenants/switch', { tenantId: staging.tenantId });
  await remove(staging.tenantId, 'Staging');
  await service.sql('UPDATE claim_writes SET next_attempt_at = now()');
  await eventually(() => expect(service.claims.get(dev.user)).toEqual({ tenant_id: org.tenantId, role: 'developer' }));
});

it('leaves no row of open calls', async () => {
  const key = await service.createKey(staging, { requestsPerMinute: 1_000_000 });
  const statuses = new Set<number>();
  let going = true;
  const workers = Array.from({ length: 8 }, async () => {
    while (going) statuses.add((await complete(key)).status);
  });
  try {
    await eventually(() => statuses.has(200));
    expect((await remove(staging.tenantId, 'Staging')).status).toBe(200);
    await eventually(() => statuses.has(401));
  } finally {
    going = false;
    await Promise.all(workers);
  }
  expect([...statuses].sort()).toEqual([200, 401]);
  await expectTombstoneAlone();
});

it('leaves no row of an open stream, which ends whole', async () => {
  const { key } = await service.createKey(staging);
  const words = Array.from({ length: 30 }, (_, index) => ` word${index}`);
  service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 30 });
  const stream = OpenStream.start(service, key, { ...chat, stream: true });
  await stream.until('word0');
  expect((await remove(staging.tenantId, 'Staging')).status).toBe(200);
  await stream.whole();
  expect(stream.text).toContain(' word29');
  await expectTombstoneAlone();
});

it('runs once where several delete one tenant at once', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => remove(staging.tenantId, 'Staging')));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404, 404, 404]);
  await expectTombstoneAlone();
});
