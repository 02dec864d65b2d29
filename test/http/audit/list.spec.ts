import { startService, type Answer, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { clearAuditLog } from './audit-log.js';
import { fieldsOf, platformError } from '../refusals.js';
import { parseStrictCsv } from '../usage-query/strict-csv.js';

interface EventView {
  readonly id: string;
  readonly occurredAt: string;
  readonly action: string;
  readonly actor: { readonly type: string; readonly id?: string };
  readonly subject?: { readonly humanId: string; readonly human?: string };
  readonly resource: { readonly type: string; readonly id: string };
  readonly tenantId?: string;
  readonly requestId?: string;
  readonly address?: string;
  readonly details: Record<string, unknown>;
}
interface Page {
  readonly events: EventView[];
  readonly nextPageToken: string;
}

let service: TestService;
let org: Org;
let reader: MadeKey;

beforeAll(async () => {
  service = await startService();
  org = await service.createOrg('founder');
  reader = await service.createKey(org, { scopes: ['audit:read'] });
  for (const role of ['admin', 'developer', 'viewer'] as const) await service.addMember(org, `the-${role}`, role);
});

afterAll(() => service.stop());

beforeEach(() => clearAuditLog(service));

const asPerson = (user: string, tenant = org.tenantId): Record<string, string> => ({
  authorization: `Bearer ${service.dashboardToken({ user, tenant })}`,
});
const asKey = ({ key }: MadeKey): Record<string, string> => ({ 'x-api-key': key });

const ask = (body: unknown = {}, headers = asKey(reader)): Promise<Answer> =>
  service.call('POST', '/api/v1/audit/list', { headers, body });

async function list(body: unknown = {}, headers = asKey(reader)): Promise<Page> {
  const answer = await ask(body, headers);
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 200 });
  return answer.json<Page>();
}
const actions = async (body: unknown = {}, headers = asKey(reader)): Promise<string[]> =>
  (await list(body, headers)).events.map(({ action }) => action);

interface Row {
  readonly action?: string;
  readonly at?: string;
  readonly tenantId?: string | null;
  readonly orgId?: string;
  readonly humanId?: string;
  readonly details?: object;
}

async function write(row: Row = {}): Promise<void> {
  const { action = 'limits.set', at = '2030-01-01T00:00:00.000Z', tenantId = org.tenantId, orgId = org.orgId } = row;
  await service.sql(
    `INSERT INTO audit_events (id, org_id, tenant_id, occurred_at, action, actor_type, human_id, resource_type, resource_id, details)
     VALUES (gen_random_uuid(), $1, $2, $3, $4, 'system', $5, 'human', 'hum_1', $6)`,
    [orgId, tenantId, at, action, row.humanId ?? null, JSON.stringify(row.details ?? {})],
  );
}

describe('an event', () => {
  it('shows who did what, when, for whom, in which request, from which address and on which resource', async () => {
    const headers = { ...asPerson('the-admin'), 'x-request-id': 'rotating-1' };
    const made = await service.call('POST', '/api/v1/api-keys/create', {
      headers,
      body: { name: 'Acting', permissions: ['conversations:read', 'users:impersonate'] },
    });
    const { result } = made.json<{ result: MadeKey }>();
    await service.call('POST', '/api/v1/llm/gateway/list-threads', {
      headers: { ...asKey(result), 'x-on-behalf-of': 'ann', 'x-request-id': 'acting-1' },
    });
    const answer = await ask();
    const { events, nextPageToken } = answer.json<Page>();
    expect(nextPageToken).toBe('');
    const timestamp = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
    const common = {
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      occurredAt: timestamp,
      tenantId: org.tenantId,
      address: '127.0.0.1',
    };
    expect(events).toStrictEqual([
      {
        ...common,
        action: 'request.impersonated',
        actor: { type: 'key', id: result.keyId },
        subject: { humanId: expect.stringMatching(/^hum_/) as string, human: 'ann' },
        resource: { type: 'route', id: 'POST /api/v1/llm/gateway/list-threads' },
        requestId: 'acting-1',
        details: {},
      },
      {
        ...common,
        action: 'key.created',
        actor: { type: 'user', id: 'the-admin' },
        resource: { type: 'key', id: result.keyId },
        requestId: 'rotating-1',
        details: expect.any(Object) as object,
      },
    ]);
    // Neither a key nor any material that a key could be derived from.
    expect(answer.text).not.toContain(result.key.slice(8));
  });

  it('keeps the names and nulls of its free-form details as they were written', async () => {
    const details = {
      from_role: 'owner',
      toRole: null,
      'A-b.c': [null, { x_y: 1 }],
      nested: { empty_text: '', no: false },
    };
    await write({ details });
    const [event] = (await list()).events;
    expect(event!.details).toStrictEqual(details);
    expect(event!.actor).toStrictEqual({ type: 'system' });
  });

  it('lists the tenant’s and its org’s events, newest first, and never another tenant’s', async () => {
    const sibling = `${org.tenantId}-sibling`;
    await service.sql("INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Sibling')", [sibling, org.orgId]);
    const stranger = await service.createOrg('stranger');
    await clearAuditLog(service);
    await write({ action: 'own', at: '2030-01-01T00:00:01Z' });
    await write({ action: 'org', at: '2030-01-01T00:00:02Z', tenantId: null });
    await write({ action: 'sibling', at: '2030-01-01T00:00:03Z', tenantId: sibling });
    await write({ action: 'stranger', orgId: stranger.orgId, tenantId: stranger.tenantId });
    await write({ action: 'stranger.org', orgId: stranger.orgId, tenantId: null });
    expect(await actions()).toEqual(['org', 'own']);
    expect(await actions({}, asPerson('founder', sibling))).toEqual(['sibling', 'org']);
    expect((await actions({}, asPerson('stranger', stranger.tenantId))).sort()).toEqual(['stranger', 'stranger.org']);
    const [ofOrg] = (await list()).events;
    expect(ofOrg).not.toHaveProperty('tenantId');
  });

  it('for a human is found by the human’s own id as long as it is known, and after that by the log’s', async () => {
    await service.sql("INSERT INTO humans (tenant_id, human, id) VALUES ($1, 'Ünï 🦊', 'hum_fox')", [org.tenantId]);
    await write({ action: 'for.fox', humanId: 'hum_fox' });
    await write({ action: 'for.nobody' });
    expect((await list({ human: 'Ünï 🦊' })).events).toMatchObject([
      { action: 'for.fox', subject: { humanId: 'hum_fox', human: 'Ünï 🦊' } },
    ]);
    expect(await actions({ human: 'ünï 🦊' })).toEqual([]);
    await service.sql("DELETE FROM humans WHERE id = 'hum_fox'");
    expect(await actions({ human: 'Ünï 🦊' })).toEqual([]);
    const [event] = (await list({ human_id: 'hum_fox' })).events;
    expect(event!.subject).toStrictEqual({ humanId: 'hum_fox' });
  });

  it('is found with either spelling of a filter; an empty filter matches everything', async () => {
    await write({ action: 'a.one', at: '2030-01-01T00:00:00Z' });
    await write({ action: 'b.two', at: '2030-01-02T00:00:00Z' });
    expect(await actions({ resource_type: 'human', resourceId: 'hum_1', actor_type: 'system' })).toEqual([
      'b.two',
      'a.one',
    ]);
    expect(await actions({ action: 'a.one', requestId: '', human: '', startTime: null })).toEqual(['a.one']);
    expect(await actions({ startTime: '2030-01-02T01:00:00+01:00' })).toEqual(['b.two']);
    expect(await actions({ endTime: '2030-01-02T00:00:00Z' })).toEqual(['a.one']);
    expect(await actions({ actorId: 'system' })).toEqual([]);
  });
});

describe('who may read it', () => {
  it('the owner and a key with audit:read may; other keys and calls on a human’s behalf may not', async () => {
    expect((await ask({}, asPerson('founder'))).status).toBe(200);
    expect((await ask()).status).toBe(200);
    const others = await service.createKey(org, { scopes: ['usage:read', 'humans:read'] });
    platformError(await ask({}, asKey(others)), 403);
    const acting = await service.createKey(org, { scopes: ['audit:read', 'users:impersonate'] });
    platformError(await ask({}, { ...asKey(acting), 'x-on-behalf-of': 'ann' }), 403);
    platformError(await ask({}, {}), 401);
  });

  it("a key may only where its maker may: a developer can't grant audit:read", async () => {
    const answer = await service.call('POST', '/api/v1/api-keys/create', {
      headers: asPerson('the-developer'),
      body: { name: 'Prying', permissions: ['audit:read'] },
    });
    platformError(answer, 403);
  });
});

describe('its pages', () => {
  it('follow each other without gap or repeat, by a token that is valid for the tenant and the filters only', async () => {
    for (let index = 0; index < 7; index += 1)
      await write({ action: `a.${index}`, at: `2030-01-01T00:00:0${index % 3}Z` });
    const whole = await list({ pageSize: 500 });
    expect(whole.events).toHaveLength(7);
    const seen: EventView[] = [];
    let token = '';
    do {
      const page: Page = await list({ page_size: 3, page_token: token, actorType: 'system' });
      expect(page.events.length).toBeLessThanOrEqual(3);
      seen.push(...page.events);
      token = page.nextPageToken;
    } while (token !== '');
    expect(seen).toEqual(whole.events);

    const { nextPageToken } = await list({ pageSize: 3 });
    const stranger = await service.createOrg('another-stranger');
    const refused = [
      await ask({ pageToken: nextPageToken, actorType: 'system' }),
      await ask({ pageToken: nextPageToken, startTime: '2030-01-01T00:00:00Z' }),
      await ask({ pageToken: nextPageToken }, asPerson('another-stranger', stranger.tenantId)),
      await ask({ pageToken: `${nextPageToken.slice(0, -2)}xx` }),
      await ask({ pageToken: 'x' }),
    ];
    for (const answer of refused) expect(fieldsOf(platformError(answer, 400))).toEqual(['pageToken']);
    // The size of a page is not a filter.
    expect((await list({ pageSize: 2, pageToken: nextPageToken })).events).toEqual(whole.events.slice(3, 5));
  });
});

describe('a wrong query', () => {
  it.each<[string, unknown, string[]]>([
    ['an unknown field', { tenantId: 'x' }, ['tenantId']],
    ['both spellings', { actorId: 'a', actor_id: 'a' }, ['actorId']],
    ['an unknown kind of actor', { actorType: 'robot' }, ['actorType']],
    ['a malformed time', { startTime: 'yesterday' }, ['startTime']],
    [
      'an end before its beginning',
      { startTime: '2030-01-02T00:00:00Z', endTime: '2030-01-01T00:00:00Z' },
      ['endTime'],
    ],
    ['a page too large', { pageSize: 501 }, ['pageSize']],
    ['a negative page', { pageSize: -1 }, ['pageSize']],
    ['a human that is not text', { human: 7 }, ['human']],
    ['a human that could not be stored', { human: 'a\u0000b' }, ['human']],
    ['a human of 257 characters', { human: 'x'.repeat(257) }, ['human']],
    ['an action with half a surrogate pair', '{"action":"\\ud800"}', ['action']],
  ])('%s is 400 and named', async (_what, body, fields) => {
    expect(fieldsOf(platformError(await ask(body), 400))).toEqual(fields);
  });
});

describe('as CSV', () => {
  it('is the whole log in one file, by the same filters, and no cell runs as a formula', async () => {
    const told = { note: '=HYPERLINK("x"); +1', more: ['a,b'] };
    for (let index = 0; index < 60; index += 1) await write({ action: 'limits.set', details: told });
    await write({ action: 'key.created' });
    const answer = await ask({ action: 'limits.set', format: 'CSV' });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/csv; charset=utf-8']);
    expect(answer.headers['content-disposition']).toBe('attachment; filename="audit-log.csv"');
    const [head, ...rows] = parseStrictCsv(answer.text);
    expect(head).toEqual(expect.arrayContaining(['occurredAt', 'action', 'actorId', 'human', 'details']));
    expect(rows).toHaveLength(60);
    const details = rows.map((row) => row[head!.indexOf('details')]);
    expect(JSON.parse(details[0]!.replaceAll("'", ''))).toEqual(told);
    expect(rows.flat().filter((cell) => /^[=+\-@]/.test(cell))).toEqual([]);
    const paged = await ask({ format: 'CSV', pageToken: 'x' });
    expect(fieldsOf(platformError(paged, 400))).toEqual(['pageToken']);
    expect((await ask({ format: 'CSV' }, asPerson('the-viewer'))).status).toBe(403);
  });
});
