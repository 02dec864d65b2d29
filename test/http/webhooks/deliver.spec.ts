/** What a receiver gets: each event at least once, signed, whatever the receiver does meanwhile. */
import { Database } from '../../../src/platform/database/index.js';
import { Events } from '../../../src/platform/events/index.js';
import { eventually } from '../../support/eventually.js';
import type { Org, TestService } from '../../support/service.js';
import { type WebhookReceiver, verifiesByHmac, verifiesByLibrary } from '../../support/webhook-receiver.js';
import { ownerOf } from '../orgs/people.js';
import {
  QUICK,
  ReceiverStage,
  addHuman,
  call,
  create,
  deliveriesOf,
  endpointOf,
  happen,
  settledDeliveries,
  type DeliveryView,
} from './webhooks.js';

let stage: ReceiverStage;
let receiver: WebhookReceiver;
let service: TestService;
let org: Org;

beforeAll(async () => {
  stage = await ReceiverStage.start();
  ({ receiver, service } = stage);
});

afterAll(() => stage.stop());

beforeEach(async () => {
  org = await stage.begin();
});

describe('a delivery', () => {
  it('is the event with its payload, with a signature that the library and a plain HMAC both verify', async () => {
    const { secret } = await create(service, org, receiver.url('/hook?of=acme'));
    const humanId = await addHuman(service, org, 'ada@example.com');
    await happen(service, org, { humanId });
    await eventually(() => receiver.received.length === 1);
    const [received] = receiver.received;
    expect(received).toMatchObject({ path: '/hook?of=acme', type: 'usage.tracked' });
    expect(JSON.parse(received!.raw.toString())).toEqual({
      type: 'usage.tracked',
      payload: { id: received!.id, type: 'token_cnt', value: 1, human: 'ada@example.com', project: org.tenantId },
    });
    expect(received!.headers['content-type']).toBe('application/json');
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(verifiesByLibrary(received!, secret)).toBe(true);
    expect(verifiesByHmac(received!, secret)).toBe(true);
    const other = await create(service, org, receiver.url());
    expect(verifiesByLibrary(received!, other.secret) || verifiesByHmac(received!, other.secret)).toBe(false);
  });

  it('goes to each enabled endpoint of the tenant that chose the type, and to no other', async () => {
    const elsewhere = await service.createOrg('other');
    const urls = ['/one', '/two', '/other-type', '/disabled', '/other-tenant'].map((at) => receiver.url(at));
    await create(service, org, urls[0]!);
    await create(service, org, urls[1]!, ['run.failed', 'usage.tracked']);
    await create(service, org, urls[2]!, ['run.failed']);
    const { endpoint } = await create(service, org, urls[3]!);
    await call(service, org, 'update', { endpointId: endpoint.endpointId, enabled: false });
    await create(service, elsewhere, urls[4]!);
    await happen(service, org);
    expect((await settledDeliveries(service, org)).map(({ status }) => status)).toEqual(['DELIVERED', 'DELIVERED']);
    expect(receiver.received.map((received) => received.path).sort()).toEqual(['/one', '/two']);
    // The same event, by the same id, to both.
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(1);
    expect(await deliveriesOf(service, elsewhere)).toEqual([]);
  });

  it('names a human only as long as the human exists', async () => {
    await create(service, org, receiver.url());
    const humanId = await addHuman(service, org, 'marker-of-grace');
    receiver.reactions.set('/hook', 500);
    await happen(service, org, { humanId });
    await eventually(() => receiver.received.length >= 1);
    await service.sql('DELETE FROM humans WHERE id = $1', [humanId]);
    // An attempt that was claimed before the erasure may name the human. Attempts run one after another.
    const [{ attempts: claimedBefore }] = (await deliveriesOf(service, org)) as [DeliveryView];
    receiver.reactions.clear();
    const [delivery] = await settledDeliveries(service, org);
    await call(service, org, 'redeliver', { deliveryId: delivery!.deliveryId });
    await settledDeliveries(service, org);
    expect(receiver.received[0]!.payload).toMatchObject({ human: 'marker-of-grace' });
    const later = receiver.received.slice(claimedBefore);
    expect(later).not.toEqual([]);
    for (const { raw } of later) expect(raw.toString()).not.toContain('marker');
    const kept = await service.sql('SELECT payload::text FROM webhook_events WHERE tenant_id = $1', [org.tenantId]);
    expect(JSON.stringify(kept)).not.toContain('marker');
  });
});

describe('a receiver', () => {
  it('that is down, slow, answers 500 and then works gets every event, each attempt under the same id', async () => {
    const { secret } = await create(service, org, receiver.url());
    await receiver.goDown();
    await happen(service, org, { count: 3 });
    await eventually(async () => (await deliveriesOf(service, org)).every(({ attempts }) => attempts > 0));
    expect((await deliveriesOf(service, org)).map(({ lastError }) => lastError ?? 'UNREACHABLE')).toEqual(
      Array(3).fill('UNREACHABLE'),
    );
    // Each event gets no answer once, and 500 once.
    const seen = new Map<string, number>();
    receiver.reactions.set('/hook', ({ id }) => {
      const times = (seen.get(id) ?? 0) + 1;
      seen.set(id, times);
      return times === 1 ? 'hang' : times === 2 ? 500 : 200;
    });
    await receiver.comeBack();
    const deliveries = await settledDeliveries(service, org);
    expect(deliveries.map(({ status, lastStatusCode }) => [status, lastStatusCode])).toEqual(
      Array(3).fill(['DELIVERED', 200]),
    );
    for (const { eventId, attempts } of deliveries) {
      const attempted = receiver.received.filter(({ id }) => id === eventId);
      // There are more where an answer came too late on a busy machine: a delivery is made at least once.
      expect(attempted.length).toBeGreaterThanOrEqual(3);
      expect(attempts).toBeGreaterThan(3);
      const times = attempted.map(({ headers }) => Number(headers['webhook-timestamp']));
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      for (const received of attempted) {
        expect(verifiesByLibrary(received, secret)).toBe(true);
        expect(verifiesByHmac(received, secret)).toBe(true);
      }
    }
  });

  it('that never accepts it makes each delivery fail after the last attempt, and can get it again', async () => {
    const { endpoint } = await create(service, org, receiver.url());
    receiver.reactions.set('/hook', 503);
    await happen(service, org);
    const [failed] = await settledDeliveries(service, org);
    expect(failed).toMatchObject({
      status: 'FAILED',
      attempts: QUICK.webhookAttempts,
      lastStatusCode: 503,
      lastError: 'REFUSED',
    });
    const times = { beganAt: expect.any(String) as string, endedAt: expect.any(String) as string };
    expect(failed!.attemptLog).toEqual(
      Array.from({ length: QUICK.webhookAttempts }, (_, index) => ({
        attempt: index + 1,
        statusCode: 503,
        error: 'REFUSED',
        ...times,
      })),
    );
    expect(failed!.nextAttemptAt).toBeUndefined();
    expect(receiver.received).toHaveLength(QUICK.webhookAttempts);
    receiver.reactions.clear();
    await call(service, org, 'update', { endpointId: endpoint.endpointId, enabled: true });
    const { delivery } = await call<{ delivery: { deliveryId: string; eventId: string } }>(service, org, 'redeliver', {
      deliveryId: failed!.deliveryId,
    });
    expect(delivery.eventId).toBe(failed!.eventId);
    expect(delivery.deliveryId).not.toBe(failed!.deliveryId);
    const [again, before] = await settledDeliveries(service, org);
    expect(again).toMatchObject({ deliveryId: delivery.deliveryId, status: 'DELIVERED', attempts: 1 });
    expect(before).toEqual(failed);
    expect((await endpointOf(service, org, endpoint.endpointId)).failingSince).toBeUndefined();
  });

  it('that never answers delays no other endpoint', async () => {
    for (let index = 0; index < 3; index += 1) {
      const at = `/dead-${index}`;
      receiver.reactions.set(at, 'hang');
      await create(service, org, receiver.url(at));
    }
    await create(service, org, receiver.url('/alive'));
    await happen(service, org, { count: 40 });
    await eventually(() => receiver.at('/alive').length === 40);
    // Most deliveries to the dead endpoints have not been tried by then: they share the workers with all others.
    const tried = receiver.received.filter(({ path }) => path.startsWith('/dead')).length;
    expect(tried).toBeLessThan(60);
    for (let index = 0; index < 3; index += 1) receiver.reactions.set(`/dead-${index}`, 410);
  });

  it('that redirects is not followed', async () => {
    await create(service, org, receiver.url('/moved'));
    receiver.reactions.set('/moved', { status: 307, headers: { location: receiver.url('/target') } });
    await happen(service, org);
    const [delivery] = await settledDeliveries(service, org);
    expect(delivery).toMatchObject({ status: 'FAILED', lastError: 'REDIRECT', lastStatusCode: 307 });
    expect(receiver.at('/target')).toEqual([]);
  });
});

describe('events of the service itself', () => {
  it('member.invited names the invited person and role, goes to every tenant of the org, and has no link or address', async () => {
    const { tenant } = await service.asUser<{ tenant: { id: string } }>(ownerOf(org), 'tenants/create', {
      name: 'Staging',
    });
    const staging = { ...org, tenantId: tenant.id };
    await create(service, org, receiver.url('/production'), ['member.invited']);
    await create(service, staging, receiver.url('/staging'), ['member.invited']);
    const other = await service.createOrg('another');
    await create(service, other, receiver.url('/other'), ['member.invited']);
    const { invitation, token } = await service.asUser<{ invitation: { id: string }; token: string }>(
      ownerOf(org),
      'orgs/invite-member',
      { email: 'marker@example.org', role: 'developer' },
    );
    await eventually(() => receiver.received.length === 2);
    expect(receiver.received.map(({ path }) => path).sort()).toEqual(['/production', '/staging']);
    const [received] = receiver.at('/production');
    expect(received!.payload).toEqual({
      id: received!.id,
      project: org.tenantId,
      invitation_id: invitation.id,
      role: 'developer',
      invited_by: org.user,
    });
    for (const { raw } of receiver.received) {
      for (const said of ['marker', token, 'accept-invitation']) expect(raw.toString()).not.toContain(said);
    }
  });

  it('usage.token_revoked names the human, and is sent with the change or not at all', async () => {
    await create(service, org, receiver.url(), ['usage.token_revoked']);
    const humanId = await addHuman(service, org, 'ada@example.com');
    const revoke = (id: string, fails = false): Promise<void> =>
      service.app.get(Database).changeTenant(org.tenantId, async (tx) => {
        await service.app.get(Events).publish(tx, {
          action: 'usage_token.revoked',
          actor: { type: 'user', id: org.user },
          tenantId: org.tenantId,
          humanId,
          resource: { type: 'human', id },
          details: { tokens: 1 },
        });
        if (fails) throw new Error('It did not come about.');
      });
    await expect(revoke('token-0', true)).rejects.toThrow('It did not come about.');
    await revoke('token-1');
    await eventually(() => receiver.received.length === 1);
    expect(receiver.received[0]).toMatchObject({
      type: 'usage.token_revoked',
      payload: { project: org.tenantId, human_id: 'token-1', human: 'ada@example.com' },
    });
    expect(await deliveriesOf(service, org)).toHaveLength(1);
  });

  it('are not sent where the change is not made', async () => {
    await create(service, org, receiver.url(), ['member.invited']);
    const answer = await service.call('POST', '/api/v1/orgs/invite-member', {
      headers: { authorization: `Bearer ${service.dashboardToken({ user: org.user, tenant: org.tenantId })}` },
      body: { email: 'x', role: 'developer' },
    });
    expect(answer.status).toBe(400);
    expect(await deliveriesOf(service, org)).toEqual([]);
  });
});
