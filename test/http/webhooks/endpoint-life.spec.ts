/** Endpoints of webhooks: which addresses are called, and when one is disabled, enabled or moved. */
import { captureLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import type { Org, TestService } from '../../support/service.js';
import { type WebhookReceiver, verifiesByHmac, verifiesByLibrary } from '../../support/webhook-receiver.js';
import {
  ReceiverStage,
  ask,
  call,
  create,
  deliveriesOf,
  endpointOf,
  happen,
  settledDeliveries,
  type MadeEndpoint,
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

const disablingsOf = async (endpointId: string): Promise<object[]> => {
  const { events } = await service.asUser<{ events: { actor: object; details: object }[] }>(
    { user: org.user, tenant: org.tenantId },
    'audit/list',
    { action: 'webhook_endpoint.disabled', resourceId: endpointId },
  );
  return events.map(({ actor, details }) => ({ actor, details }));
};

describe('an address that may not be called', () => {
  it.each([
    'https://10.0.0.1/hook',
    'https://[fd00::1]/hook',
    'http://127.0.0.1:1/hook',
    'https://localhost.localdomain/',
    // URLs that a reader takes for another host than the one that would be called.
    'https://user:password@RECEIVER/hook',
  ])('is not called, even if it was stored before the rule: %s', async (url) => {
    const { endpoint } = await create(service, org, receiver.url());
    await service.sql('UPDATE webhook_endpoints SET url = $1 WHERE id = $2', [
      url.replace('RECEIVER', new URL(receiver.url()).host),
      endpoint.endpointId,
    ]);
    await happen(service, org);
    await eventually(async () => (await deliveriesOf(service, org))[0]?.lastError !== undefined);
    // One word for all unreachable addresses, so that it reveals nothing about the operator's network.
    expect((await deliveriesOf(service, org))[0]).toMatchObject({ lastError: 'UNREACHABLE' });
    expect((await deliveriesOf(service, org))[0]).not.toHaveProperty('lastStatusCode');
    expect(receiver.at('/hook')).toEqual([]);
    await call(service, org, 'delete', { endpointId: endpoint.endpointId });
  });
});

describe('an endpoint', () => {
  it('that answers 410 is disabled at once, shows it everywhere, and gets nothing until it is enabled', async () => {
    const log = captureLog();
    const { endpoint, secret } = await create(service, org, receiver.url());
    const { endpointId } = endpoint;
    receiver.reactions.set('/hook', 410);
    await happen(service, org);
    const [delivery] = await settledDeliveries(service, org);
    log.stop();
    expect(delivery).toMatchObject({ status: 'FAILED', attempts: 1, lastError: 'GONE', lastStatusCode: 410 });
    expect(await endpointOf(service, org, endpointId)).toMatchObject({
      status: 'DISABLED',
      disabledReason: 'GONE',
      disabledAt: expect.stringMatching(/Z$/) as string,
    });
    expect(await disablingsOf(endpointId)).toEqual([
      { actor: { type: 'system', id: 'webhooks' }, details: { reason: 'GONE' } },
    ]);
    expect(log.lines.filter(({ msg }) => msg === 'A webhook endpoint was disabled.')).toMatchObject([
      { endpointId, tenantId: org.tenantId, reason: 'GONE' },
    ]);
    expect(log.text()).not.toContain(secret);
    expect(log.text()).not.toContain(secret.slice('whsec_'.length));

    await happen(service, org);
    expect(await deliveriesOf(service, org)).toHaveLength(1);
    for (const [method, body] of [
      ['test', { endpointId }],
      ['redeliver', { deliveryId: delivery!.deliveryId }],
    ] as const) {
      expect((await ask(service, org, method, body)).status).toBe(409);
    }
    receiver.reactions.clear();
    const { endpoint: enabled } = await call<MadeEndpoint>(service, org, 'update', { endpointId, enabled: true });
    expect(enabled).toMatchObject({ status: 'ENABLED' });
    expect(enabled).not.toHaveProperty('disabledReason');
    await happen(service, org);
    await eventually(() => receiver.received.length === 2);
  });

  it('that accepted nothing for long enough is disabled, and its waiting deliveries end', async () => {
    const { endpoint } = await create(service, org, receiver.url());
    const { endpointId } = endpoint;
    receiver.reactions.set('/hook', 500);
    // The first failure is dated back three days (webhookDeadSeconds).
    await happen(service, org);
    await eventually(async () => (await endpointOf(service, org, endpointId)).failingSince !== undefined);
    await service.sql("UPDATE webhook_endpoints SET failing_since = now() - interval '73 hours' WHERE id = $1", [
      endpointId,
    ]);
    await happen(service, org, { count: 3 });
    await eventually(async () => (await endpointOf(service, org, endpointId)).status === 'DISABLED');
    expect(await endpointOf(service, org, endpointId)).toMatchObject({ disabledReason: 'FAILING' });
    expect(await disablingsOf(endpointId)).toEqual([
      { actor: { type: 'system', id: 'webhooks' }, details: { reason: 'FAILING' } },
    ]);
    const ended = await settledDeliveries(service, org);
    expect(ended.every(({ status }) => status === 'FAILED')).toBe(true);
    expect(ended.map(({ lastError }) => lastError)).toContain('DISABLED');
  });

  it('that fails now and then, and accepts some in between, stays enabled', async () => {
    const { endpoint } = await create(service, org, receiver.url());
    receiver.reactions.set('/hook', () => (receiver.received.length % 2 === 1 ? 500 : 200));
    await happen(service, org);
    await settledDeliveries(service, org);
    expect(receiver.received).toHaveLength(2);
    const view = await endpointOf(service, org, endpoint.endpointId);
    expect(view).toMatchObject({ status: 'ENABLED' });
    expect(view.failingSince).toBeUndefined();
  });

  it('signs with both secrets during the overlap of a rotation, and with the new one only without an overlap', async () => {
    const { endpoint, secret: first } = await create(service, org, receiver.url());
    const { endpointId } = endpoint;
    const rotate = (gracePeriodSeconds?: number) =>
      call<MadeEndpoint & { previousSecretExpiresAt?: string }>(service, org, 'rotate-secret', {
        endpointId,
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      });
    const next = async () => {
      const before = receiver.received.length;
      await call(service, org, 'test', { endpointId });
      await eventually(() => receiver.received.length > before);
      return receiver.received.at(-1)!;
    };
    const second = await rotate();
    expect(second.secret).not.toBe(first);
    expect(Date.parse(second.previousSecretExpiresAt!) / 1000 - Date.now() / 1000).toBeGreaterThan(86_000);
    const overlapping = await next();
    expect(overlapping.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
    expect([first, second.secret].map((secret) => verifiesByLibrary(overlapping, secret))).toEqual([true, true]);
    expect([first, second.secret].map((secret) => verifiesByHmac(overlapping, secret))).toEqual([false, true]);

    const third = await rotate(0);
    expect(third.previousSecretExpiresAt).toBeUndefined();
    const alone = await next();
    expect([first, second.secret, third.secret].map((secret) => verifiesByLibrary(alone, secret))).toEqual([
      false,
      false,
      true,
    ]);

    // After any number of rotations: the newest and three that overlap.
    for (let times = 0; times < 5; times += 1) await rotate(3600);
    expect((await next()).headers['webhook-signature']!.toString().split(' ')).toHaveLength(4);
    await service.sql(
      "UPDATE webhook_secrets SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL",
    );
    expect((await next()).headers['webhook-signature']!.toString().split(' ')).toHaveLength(1);
  });
});
