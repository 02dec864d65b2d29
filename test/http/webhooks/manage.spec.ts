/** Endpoints, as people and keys of a tenant manage them. */
import { captureLog } from '../../support/captured-log.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { dump } from '../../support/sql.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';
import {
  ask,
  call,
  create,
  deliveriesOf,
  endpointOf,
  happen,
  type DeliveryView,
  type EndpointView,
  type MadeEndpoint,
} from './webhooks.js';

let service: TestService;
let org: Org;

beforeAll(async () => {
  // Nothing is sent: the endpoints of this spec do not exist.
  service = await startService({ settings: { webhookPollMs: 600_000 } });
});

afterAll(() => service.stop());

let tests = 0;
beforeEach(async () => {
  org = await service.createOrg(`founder-${(tests += 1)}`);
});

const URL_OF = (name: string): string => `https://hooks.example.com/${name}`;

describe('create', () => {
  it('returns the endpoint, and its secret this once', async () => {
    const { endpoint, secret } = await call<MadeEndpoint>(service, org, 'create', {
      url: URL_OF('one'),
      description: 'Billing',
      events: ['usage.tracked', 'run.failed'],
    });
    expect(endpoint).toEqual({
      endpointId: expect.stringMatching(/^webhook_[0-9A-Za-z]{20}$/) as string,
      url: URL_OF('one'),
      description: 'Billing',
      events: ['usage.tracked', 'run.failed'],
      status: 'ENABLED',
      createdAt: expect.stringMatching(/Z$/) as string,
      updatedAt: expect.stringMatching(/Z$/) as string,
    });
    expect(secret).toMatch(/^whsec_/);
    expect(await endpointOf(service, org, endpoint.endpointId)).toEqual(endpoint);
    const listed = await call(service, org, 'list');
    expect(listed).toEqual({ endpoints: [endpoint], nextPageToken: '' });
    expect(JSON.stringify(listed)).not.toContain('whsec_');
  });

  it('stores no secret in the clear, neither in the database nor in the log', async () => {
    const log = captureLog();
    const { endpoint, secret } = await create(service, org, URL_OF('one'));
    const { endpointId } = endpoint;
    const { secret: next } = await call<MadeEndpoint>(service, org, 'rotate-secret', { endpointId });
    await call(service, org, 'update', { endpointId, url: URL_OF('two'), secret: next });
    await ask(service, org, 'update', { endpointId, url: URL_OF('three'), secret });
    log.stop();
    const stored = await dump(service.database.superuserUrl);
    for (const shown of [secret, next]) {
      const key = Buffer.from(shown.slice('whsec_'.length), 'base64');
      for (const form of [
        shown,
        shown.slice('whsec_'.length),
        key.toString('hex'),
        Buffer.from(shown).toString('hex'),
      ]) {
        expect(stored.includes(form)).toBe(false);
        expect(log.text().includes(form)).toBe(false);
      }
    }
    const rows = await service.sql<{ envelope: Buffer; key_version: number }>(
      'SELECT envelope, key_version FROM webhook_secrets WHERE endpoint_id = $1',
      [endpointId],
    );
    expect(rows.map(({ envelope, key_version: version }) => [envelope[0], version])).toEqual([
      [1, 1],
      [1, 1],
    ]);
  });

  it('runs once for an Idempotency-Key, and shows no secret again', async () => {
    const body = { url: URL_OF('one'), events: ['run.failed'] };
    const headers = { 'idempotency-key': 'create-1' };
    const [first, again] = [
      await ask(service, org, 'create', body, headers),
      await ask(service, org, 'create', body, headers),
    ];
    const { secret, ...rest } = first.json<MadeEndpoint>();
    expect(secret).toMatch(/^whsec_/);
    expect(again.json()).toEqual({ ...rest, notice: expect.stringMatching(/only once/) as string });
    expect((await call<{ endpoints: [] }>(service, org, 'list')).endpoints).toHaveLength(1);
    expect((await ask(service, org, 'create', { ...body, description: 'x' }, headers)).status).toBe(409);
  });

  it.each<[string, object, string[]]>([
    ['no URL', { events: ['run.failed'] }, ['url']],
    ['no events', { url: URL_OF('x') }, ['events']],
    ['an empty list of events', { url: URL_OF('x'), events: [] }, ['events']],
    ['an event that does not exist', { url: URL_OF('x'), events: ['run.failed', 'run.started'] }, ['events.1']],
    ['the event that is sent on request alone', { url: URL_OF('x'), events: ['webhook.test'] }, ['events.0']],
    ['an event twice', { url: URL_OF('x'), events: ['run.failed', 'run.failed'] }, ['events']],
    ['a field that does not exist', { url: URL_OF('x'), events: ['run.failed'], secret: 'mine' }, ['secret']],
    ['http', { url: 'http://hooks.example.com/', events: ['run.failed'] }, ['url']],
    ['a private address', { url: 'https://10.0.0.1/', events: ['run.failed'] }, ['url']],
    ['loopback', { url: 'https://127.0.0.1/', events: ['run.failed'] }, ['url']],
    ['the metadata address', { url: 'https://169.254.169.254/latest/', events: ['run.failed'] }, ['url']],
    ['a name of the own network', { url: 'https://db.internal/', events: ['run.failed'] }, ['url']],
    ['a password in the URL', { url: 'https://a:b@hooks.example.com/', events: ['run.failed'] }, ['url']],
    ['U+0000', { url: URL_OF('x'), events: ['run.failed'], description: 'a\u0000b' }, ['description']],
  ])('refuses %s, naming the field, and creates nothing', async (_what, body, fields) => {
    const error = await expectPlatformRefusal(service, () => ask(service, org, 'create', body), 400);
    expect(fieldsOf(error)).toEqual(fields);
  });

  it('creates 20 at most, also for simultaneous requests', async () => {
    const answers = await Promise.all(
      Array.from({ length: 23 }, (_, index) =>
        ask(service, org, 'create', { url: URL_OF(String(index)), events: ['run.failed'] }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array<number>(20).fill(200), 409, 409, 409]);
  });
});

describe('update', () => {
  it('changes the named fields and leaves the others', async () => {
    const { endpoint } = await create(service, org, URL_OF('one'), ['run.failed', 'member.invited']);
    const { endpointId } = endpoint;
    const update = async (changes: object) =>
      (await call<{ endpoint: EndpointView }>(service, org, 'update', { endpointId, ...changes })).endpoint;
    const kept = { ...endpoint, updatedAt: expect.any(String) as string };
    expect(await update({ description: 'Changed' })).toEqual({ ...kept, description: 'Changed' });
    expect(await update({ events: ['usage.tracked'] })).toEqual({
      ...kept,
      description: 'Changed',
      events: ['usage.tracked'],
    });
    expect(await update({ enabled: false })).toMatchObject({ status: 'DISABLED', disabledReason: 'REQUESTED' });
    // The same URL is not a change, and needs no secret.
    expect(await update({ enabled: true, url: endpoint.url })).toMatchObject({ status: 'ENABLED', url: endpoint.url });
  });

  it('moves an endpoint for a caller with its current secret, and for no other', async () => {
    const { endpoint, secret } = await create(service, org, URL_OF('one'));
    const { endpointId } = endpoint;
    const { secret: current } = await call<MadeEndpoint>(service, org, 'rotate-secret', { endpointId });
    const other = await create(service, org, URL_OF('other'));
    const move = (extra: object): Promise<Answer> =>
      ask(service, org, 'update', { endpointId, url: URL_OF('elsewhere'), description: 'moved', ...extra });
    for (const extra of [{}, { secret }, { secret: other.secret }, { secret: 'whsec_' }, { secret: `${current}=` }]) {
      expect(fieldsOf(platformError(await move(extra), 400))).toEqual(['secret']);
    }
    expect(await endpointOf(service, org, endpointId)).toMatchObject({ url: URL_OF('one'), description: '' });
    expect((await move({ secret: current })).status).toBe(200);
    expect(await endpointOf(service, org, endpointId)).toMatchObject({ url: URL_OF('elsewhere') });
  });

  it('accepts a secret only with a change of URL, and checks the URL', async () => {
    const { endpoint, secret } = await create(service, org, URL_OF('one'));
    const { endpointId } = endpoint;
    const wrong = async (body: object) =>
      fieldsOf(platformError(await ask(service, org, 'update', { endpointId, ...body }), 400));
    expect(await wrong({ secret })).toEqual(['secret']);
    expect(await wrong({ url: 'https://10.0.0.1/', secret })).toEqual(['url']);
  });

  it('can move an endpoint by a rotation too, whose old secret is then never used again', async () => {
    const { endpoint } = await create(service, org, URL_OF('one'));
    const { endpointId } = endpoint;
    const rotate = (body: object): Promise<Answer> => ask(service, org, 'rotate-secret', { endpointId, ...body });
    expect(fieldsOf(platformError(await rotate({ url: URL_OF('two'), gracePeriodSeconds: 60 }), 400))).toEqual([
      'gracePeriodSeconds',
    ]);
    expect(fieldsOf(platformError(await rotate({ url: 'https://10.0.0.1/' }), 400))).toEqual(['url']);
    const answer = await rotate({ url: URL_OF('two') });
    expect(answer.json<MadeEndpoint>().endpoint.url).toBe(URL_OF('two'));
    expect(answer.json()).not.toHaveProperty('previousSecretExpiresAt');
    expect(await service.sql('SELECT 1 FROM webhook_secrets WHERE endpoint_id = $1', [endpointId])).toHaveLength(1);
  });
});

describe('another tenant', () => {
  it('is told that the endpoint does not exist, on every route, and changes nothing', async () => {
    const { endpoint, secret } = await create(service, org, URL_OF('one'));
    const { endpointId } = endpoint;
    await happen(service, org);
    const [delivery] = await deliveriesOf(service, org);
    const other = await service.createOrg(`other-${tests}`);
    const requests: [string, object][] = [
      ['get', { endpointId }],
      ['update', { endpointId, url: URL_OF('stolen'), secret }],
      ['delete', { endpointId }],
      ['rotate-secret', { endpointId }],
      ['list-deliveries', { endpointId }],
      ['test', { endpointId }],
      ['redeliver', { deliveryId: delivery!.deliveryId }],
    ];
    for (const [method, body] of requests) {
      const missing = Object.fromEntries(
        Object.keys(body).map((name) => [name, name === 'url' ? URL_OF('x') : 'none']),
      );
      const theirs = platformError(await ask(service, other, method, body), 404);
      const none = platformError(await ask(service, other, method, missing), 404);
      expect({ ...theirs, requestId: '' }).toEqual({ ...none, requestId: '' });
    }
    expect(await call(service, other, 'list')).toEqual({ endpoints: [], nextPageToken: '' });
    expect(await deliveriesOf(service, other)).toEqual([]);
    expect(await endpointOf(service, org, endpointId)).toMatchObject({ url: URL_OF('one') });
    expect(await deliveriesOf(service, org)).toHaveLength(1);
  });
});

describe('lists', () => {
  it('page through endpoints and deliveries, newest first, and accept no token of another list', async () => {
    const made: string[] = [];
    for (let index = 0; index < 3; index += 1) {
      made.unshift((await create(service, org, URL_OF(String(index)))).endpoint.endpointId);
    }
    await happen(service, org, { count: 2 });
    interface Page {
      readonly endpoints?: readonly EndpointView[];
      readonly deliveries?: readonly DeliveryView[];
      readonly nextPageToken: string;
    }
    const pages = async (method: string, body: object): Promise<[string[], string]> => {
      const ids: string[] = [];
      let last: string;
      let pageToken = '';
      do {
        const page: Page = await call<Page>(service, org, method, { ...body, pageSize: 2, pageToken });
        ids.push(...(page.endpoints ?? []).map(({ endpointId }) => endpointId));
        ids.push(...(page.deliveries ?? []).map(({ deliveryId }) => deliveryId));
        [last, pageToken] = [pageToken, page.nextPageToken];
      } while (pageToken !== '');
      return [ids, last];
    };
    expect((await pages('list', {}))[0]).toEqual(made);
    const [all, token] = await pages('list-deliveries', {});
    expect(new Set(all).size).toBe(6);
    const [ofOne] = await pages('list-deliveries', { endpointId: made[0] });
    expect(ofOne).toHaveLength(2);
    expect((await pages('list-deliveries', { status: 'FAILED' }))[0]).toEqual([]);
    expect((await pages('list-deliveries', { endpointId: made[0], status: 'PENDING' }))[0]).toEqual(ofOne);
    for (const body of [{ pageToken: token, status: 'PENDING' }, { pageToken: `${token}x` }]) {
      expect(fieldsOf(platformError(await ask(service, org, 'list-deliveries', body), 400))).toEqual(['pageToken']);
    }
    expect(fieldsOf(platformError(await ask(service, org, 'list-deliveries', { status: 'LOST' }), 400))).toEqual([
      'status',
    ]);
  });
});

describe('test and redeliver', () => {
  it('make one delivery for an Idempotency-Key', async () => {
    const { endpoint } = await create(service, org, URL_OF('one'), ['run.failed']);
    const send = (method: string, body: object): Promise<Answer> =>
      ask(service, org, method, body, { 'idempotency-key': `${method}-1` });
    const first = await send('test', { endpointId: endpoint.endpointId });
    const { delivery } = first.json<{ delivery: DeliveryView }>();
    expect(delivery).toMatchObject({ eventType: 'webhook.test', status: 'PENDING', attempts: 0 });
    expect((await send('test', { endpointId: endpoint.endpointId })).json()).toMatchObject({ delivery });
    const again = await send('redeliver', { deliveryId: delivery.deliveryId });
    expect(again.json()).toMatchObject({ delivery: { eventId: delivery.eventId } });
    await send('redeliver', { deliveryId: delivery.deliveryId });
    expect(await deliveriesOf(service, org)).toHaveLength(2);
  });
});

describe('each change', () => {
  it('is in the audit log, without URL and secret', async () => {
    const { endpoint, secret } = await create(service, org, URL_OF('marker'));
    const { endpointId } = endpoint;
    await call(service, org, 'update', { endpointId, url: URL_OF('marker-2'), secret });
    await call(service, org, 'update', { endpointId, enabled: false });
    await call(service, org, 'rotate-secret', { endpointId });
    await call(service, org, 'delete', { endpointId });
    const { events } = await service.asUser<{ events: { action: string; details: object }[] }>(
      { user: org.user, tenant: org.tenantId },
      'audit/list',
      { resourceId: endpointId },
    );
    expect(events.map(({ action, details }) => [action, details])).toEqual([
      ['webhook_endpoint.deleted', {}],
      ['webhook_endpoint.secret_rotated', { gracePeriodSeconds: 86_400 }],
      ['webhook_endpoint.updated', { changed: ['status'], enabled: false }],
      ['webhook_endpoint.updated', { changed: ['url'] }],
      ['webhook_endpoint.created', { events: ['usage.tracked'] }],
    ]);
    expect(JSON.stringify(events)).not.toMatch(/marker|whsec_/);
    for (const table of ['endpoints', 'subscriptions', 'secrets', 'deliveries']) {
      const column = table === 'endpoints' ? 'id' : 'endpoint_id';
      expect(await service.sql(`SELECT 1 FROM webhook_${table} WHERE ${column} = $1`, [endpointId])).toEqual([]);
    }
  });
});
