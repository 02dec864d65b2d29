/** The six usage routes and their older paths, field for field. */
import { eventually } from '../../support/eventually.js';
import type { Answer, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { UsageServer, expectNearly, bearer, chat, naming, type Limit } from './usage-client.js';

let service: SharedService;
let org: Org;
let key: string;
let server: UsageServer;
let people = 0;

beforeAll(async () => {
  service = await sharedService();
  org = await service.createOrg();
  key = (await service.createKey(org)).key;
  server = new UsageServer(service, key);
});

afterAll(() => service.stop());

/** A human whom no call has named yet. */
const somebody = (): string => `human-${(people += 1)} 🙂`;

/** OpenAI's error and the older one in one body, about one field. */
function faultOf(answer: Answer, status: number): { message: string; param: string | null } {
  const body = answer.json<{ type: string; message: string; error: { message: string; param: string | null } }>();
  expect({ status: answer.status, body }).toMatchObject({ status, body: { type: expect.any(String) } });
  expect(body.error.message).toBe(body.message);
  return { message: body.message, param: body.error.param };
}

describe.each(['/v1/usage', '/api/v1/usage'])('under %s', (prefix) => {
  beforeAll(() => {
    server = new UsageServer(service, key, prefix);
  });

  it('POST token returns a token and nothing else, valid for an hour', async () => {
    const human = somebody();
    const answer = await server.call('POST', 'token', { human });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({ token: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/) });
    expectNearly(await server.secondsLeft(human), 3600);
    const { token } = answer.json<{ token: string }>();
    expect((await chat(service, bearer(token))).status).toBe(200);
  });

  it('human_id is the same as human; both may be sent, if they agree', async () => {
    for (const named of [{ human_id: 'ann' }, { human: 'ann', human_id: 'ann' }, { human: 'ann', human_id: null }]) {
      expect((await server.call('POST', 'token', { ...named, ttl_seconds: 60 })).status).toBe(200);
    }
    const answer = await server.call('POST', 'token', { human: 'ann', human_id: 'bea' });
    expect(faultOf(answer, 400)).toEqual({ param: 'human_id', message: expect.stringContaining('human_id') });
    expect(answer.json()['type']).toBe('invalid_input');
  });

  it('limits at creation work as those of PUT: named ones are set, others stay, null removes one', async () => {
    const human = somebody();
    await server.token(human, {
      limits: [
        { type: 'token_cnt', value: 5 },
        { type: 'request_cnt', value: 0.000001 },
      ],
    });
    expect(await server.limits(human)).toEqual([
      { type: 'token_cnt', value: 5 },
      { type: 'request_cnt', value: 0.000001 },
    ]);
    await server.token(human, { limits: [{ type: 'cost_micros', value: 7.5 }] });
    const put = await server.call('PUT', 'token', { human, limits: [{ type: 'token_cnt', value: null }] });
    expect([put.status, put.text]).toEqual([200, '{}']);
    expect(await server.limits(human)).toEqual([
      { type: 'request_cnt', value: 0.000001 },
      { type: 'cost_micros', value: 7.5 },
    ]);
  });

  it('GET limits is a bare array of what is left, for a key that names the human and for the human itself', async () => {
    const human = somebody();
    const token = await server.token(human, { limits: [{ type: 'request_cnt', value: 10 }] });
    expect((await chat(service, bearer(token))).status).toBe(200);
    const path = `${prefix}/limits`;
    const own = await service.call('GET', path, { headers: bearer(token) });
    expect([own.status, own.text]).toEqual([200, '[{"type":"request_cnt","value":9}]']);
    const named = naming(human);
    const same = await service.call('GET', path, { headers: { ...bearer(token), ...named } });
    expect([same.status, same.text]).toEqual([200, own.text]);
    expect((await server.call('GET', 'limits', undefined, named)).text).toBe(own.text);
    const others = await service.call('GET', path, { headers: { ...bearer(token), 'x-human-id': 'somebody-else' } });
    faultOf(others, 403);
    expect(faultOf(await server.call('GET', 'limits'), 400).param).toBe('x-human-id');
  });

  it('check returns the longest of several; update_ttl sets all, from now; both are 404 where none is live', async () => {
    const human = somebody();
    await server.token(human, { ttl_seconds: 100 });
    await server.token(human, { ttl_seconds: 50_000 });
    expectNearly(await server.secondsLeft(human), 50_000);
    const updated = await server.call('POST', 'token/update_ttl', { human_id: human, ttl_seconds: 2000 });
    expect([updated.status, updated.text]).toEqual([200, '']);
    expectNearly(await server.secondsLeft(human), 2000);
    await server.revoke(human);
    for (const [route, body] of [
      ['token/check', { human }],
      ['token/update_ttl', { human, ttl_seconds: 5 }],
      ['token/check', { human: 'nobody has heard of' }],
      ['token/update_ttl', { human: 'nobody has heard of', ttl_seconds: 5 }],
    ] as const) {
      expect(faultOf(await server.call('POST', route, body), 404).message).toBe('Token not found');
    }
  });

  it('revoke returns nothing, ends every token, and may be repeated, for an unknown human too', async () => {
    const human = somebody();
    const tokens = [await server.token(human), await server.token(human)];
    for (let round = 0; round < 2; round += 1) {
      const answer = await server.call('POST', 'token/revoke', { human });
      expect([answer.status, answer.text]).toEqual([200, '']);
    }
    for (const token of tokens) await eventually(async () => (await chat(service, bearer(token))).status === 401);
    expect((await server.call('POST', 'token/revoke', { human: 'nobody has heard of' })).text).toBe('');
    expect(await service.sql("SELECT 1 FROM humans WHERE human LIKE 'nobody%'")).toEqual([]);
  });
});

describe('a wrong request', () => {
  const ROUTES = [
    ['POST', 'token', {}],
    ['PUT', 'token', { limits: [] }],
    ['POST', 'token/check', {}],
    ['POST', 'token/revoke', {}],
    ['POST', 'token/update_ttl', { ttl_seconds: 5 }],
  ] as const;

  it.each(ROUTES)('%s %s: the human is required, of 1 to 256 storable characters', async (method, route, rest) => {
    for (const human of [undefined, null, '', ' \t', 'a'.repeat(257), 'a\u0000b', 7, ['ann']]) {
      const answer = await server.call(method, route, { ...rest, human });
      expect([human, faultOf(answer, 400).param]).toEqual([human, 'human']);
    }
    const surrogate = `{"human":"a\\ud800", ${JSON.stringify(rest).slice(1, -1) || '"human_id":null'}}`;
    expect(faultOf(await server.call(method, route, surrogate), 400).param).toBe('human');
    expect(faultOf(await server.call(method, route, { ...rest, human: 'ann', humans: 1 }), 400).param).toBe('humans');
    for (const body of ['', '[]', 'null', '{"human":"ann"', '{"human":"ann","human":"bea"}']) {
      expect([body, (await server.call(method, route, body)).status]).toEqual([body, 400]);
    }
    const header = await server.call(method, route, { ...rest, human: 'ann' }, { 'x-human-id': 'bea' });
    expect(faultOf(header, 400).param).toBe('x-human-id');
  });

  it.each<[string, unknown]>([
    ['limits', 5],
    ['limits', { type: 'token_cnt', value: 5 }],
    ['limits[0]', [5]],
    ['limits[0]', [null]],
    ['limits[0].type', [{ type: 'tokens', value: 5 }]],
    ['limits[0].type', [{ value: 5 }]],
    ['limits[0].value', [{ type: 'token_cnt' }]],
    ['limits[0].value', [{ type: 'token_cnt', value: -1 }]],
    ['limits[0].value', [{ type: 'token_cnt', value: '5' }]],
    ['limits[0].value', [{ type: 'token_cnt', value: 0.0000001 }]],
    ['limits[0].value', [{ type: 'token_cnt', value: 1e13 }]],
    ['limits[0].values', [{ type: 'token_cnt', value: 1, values: 2 }]],
    [
      'limits[1].type',
      [
        { type: 'token_cnt', value: 1 },
        { type: 'token_cnt', value: 2 },
      ],
    ],
    [
      'limits[1].value',
      [
        { type: 'token_cnt', value: 1 },
        { type: 'request_cnt', value: true },
      ],
    ],
  ])('%s is named where it is %j', async (field, limits) => {
    for (const method of ['POST', 'PUT']) {
      const human = somebody();
      const answer = await server.call(method, 'token', { human, limits: limits as Limit[] });
      expect(faultOf(answer, 400).param).toBe(field);
      expect(await service.sql('SELECT 1 FROM humans WHERE human = $1', [human])).toEqual([]);
    }
  });

  it('PUT needs limits; a repeated field of a limit is refused', async () => {
    expect(faultOf(await server.call('PUT', 'token', { human: 'ann' }), 400).param).toBe('limits');
    const twice = '{"human":"ann","limits":[{"type":"token_cnt","value":1,"value":9}]}';
    expect((await server.call('PUT', 'token', twice)).status).toBe(400);
  });

  it.each([0, -1, 1.5, 31_536_001, '60', true, 1e300])('ttl_seconds %j is refused', async (seconds) => {
    const wrong = { human: 'ann', ttl_seconds: seconds };
    expect(faultOf(await server.call('POST', 'token', wrong), 400).param).toBe('ttl_seconds');
    expect(faultOf(await server.call('POST', 'token/update_ttl', wrong), 400).param).toBe('ttl_seconds');
  });

  it('ttl_seconds may be a second or a year; null is the default where there is one', async () => {
    const human = somebody();
    for (const [seconds, left] of [
      [31_536_000, 31_536_000],
      [1, 31_536_000],
    ] as const) {
      await server.token(human, { ttl_seconds: seconds });
      expectNearly(await server.secondsLeft(human), left);
    }
    const other = somebody();
    expect((await server.call('POST', 'token', { human: other, ttl_seconds: null, limits: null })).status).toBe(200);
    expectNearly(await server.secondsLeft(other), 3600);
    expect(faultOf(await server.call('POST', 'token/update_ttl', { human }), 400).param).toBe('ttl_seconds');
  });
});

describe('a new human', () => {
  const DEFAULTS = [{ type: 'token_cnt', value: 42 }];

  beforeAll(() =>
    service.sql(`UPDATE tenants SET default_limits = '[{"type":"token_cnt","microUnits":"42000000"}]' WHERE id = $1`, [
      org.tenantId,
    ]),
  );
  afterAll(() => service.sql('UPDATE tenants SET default_limits = NULL WHERE id = $1', [org.tenantId]));

  it('shows its default limits, and is not created by a read', async () => {
    expect(await server.limits('nobody-yet')).toEqual(DEFAULTS);
    expect(await service.sql("SELECT 1 FROM humans WHERE human = 'nobody-yet'")).toEqual([]);
  });

  it('is created with the defaults by a token or by limits, which then overwrite them', async () => {
    const [one, other] = [somebody(), somebody()];
    await server.token(one);
    expect(await server.limits(one)).toEqual(DEFAULTS);
    await server.setLimits(other, [{ type: 'request_cnt', value: 3 }]);
    expect(await server.limits(other)).toEqual([...DEFAULTS, { type: 'request_cnt', value: 3 }]);
    const third = somebody();
    await server.token(third, { limits: [{ type: 'token_cnt', value: null }] });
    expect(await server.limits(third)).toEqual([]);
  });
});

describe('an Idempotency-Key', () => {
  it('makes one token for many requests, shows it once, and marks repeats; both paths are one route', async () => {
    const human = somebody();
    const headers = { 'idempotency-key': `once-${human.length}-${people}` };
    const body = { human, limits: [{ type: 'token_cnt', value: 5 }] };
    const first = await server.call('POST', 'token', body, headers);
    await server.setLimits(human, [{ type: 'token_cnt', value: 1 }]);
    const repeat = await new UsageServer(service, key).call('POST', 'token', body, headers);
    expect(first.json()).toEqual({ token: expect.any(String) });
    expect(repeat.status).toBe(200);
    expect(repeat.json()).toEqual({ notice: expect.stringContaining('repeats') });
    expect(repeat.headers['x-gatehouse-idempotent-replay']).toBe('true');
    expect(await server.limits(human)).toEqual([{ type: 'token_cnt', value: 1 }]);
    expect(
      await service.sql(`SELECT 1 FROM usage_tokens JOIN humans h ON h.id = human_id WHERE h.human = $1`, [human]),
    ).toHaveLength(1);
    expect((await server.call('POST', 'token', { ...body, ttl_seconds: 5 }, headers)).status).toBe(409);
    const [row] = await service.sql<{ response: object }>('SELECT response FROM idempotency_keys WHERE key = $1', [
      headers['idempotency-key'],
    ]);
    expect(row?.response).toEqual({});
  });
});

describe('permitted callers', () => {
  const ROUTES = [
    ['POST', 'token', { human: 'ann' }],
    ['PUT', 'token', { human: 'ann', limits: [] }],
    ['POST', 'token/revoke', { human: 'ann' }],
    ['POST', 'token/update_ttl', { human: 'ann', ttl_seconds: 5 }],
    ['POST', 'token/check', { human: 'ann' }],
  ] as const;

  it.each(ROUTES)('%s %s accepts keys only: a usage token is not a credential there', async (method, route, body) => {
    const token = await server.token('ann');
    const answer = await service.call(method, `/v1/usage/${route}`, { headers: bearer(token), body });
    faultOf(answer, 401);
    expectNearly(await server.secondsLeft('ann'), 3600);
  });

  it('writing needs usage:write, before anything is looked up', async () => {
    const poor = new UsageServer(service, (await service.createKey(org, { scopes: ['usage:read'] })).key);
    await server.token('ann');
    for (const [method, route, body] of ROUTES) {
      expect([route, (await poor.call(method, route, body)).status]).toEqual([
        route,
        route === 'token/check' ? 200 : 403,
      ]);
    }
    expect(await poor.limits('ann')).toEqual([]);
  });

  it("another tenant's key neither sees nor changes a human of the same name", async () => {
    const other = await service.createOrg();
    const stranger = new UsageServer(service, (await service.createKey(other)).key);
    const token = await server.token('bea', { ttl_seconds: 500, limits: [{ type: 'token_cnt', value: 5 }] });
    expect(await stranger.secondsLeft('bea')).toBeNull();
    expect(await stranger.limits('bea')).toEqual([]);
    await stranger.setLimits('bea', [{ type: 'token_cnt', value: 0 }]);
    await stranger.token('bea', { ttl_seconds: 9000 });
    await stranger.updateTtl('bea', 5);
    await stranger.revoke('bea');
    expect(await server.limits('bea')).toEqual([{ type: 'token_cnt', value: 5 }]);
    expectNearly(await server.secondsLeft('bea'), 500);
    expect((await service.call('GET', '/v1/usage/limits', { headers: bearer(token) })).status).toBe(200);
  });
});

describe('what was done', () => {
  it("is in the audit log once, by key, without the human's name", async () => {
    const human = somebody();
    await server.token(human, { limits: [{ type: 'token_cnt', value: 5 }] });
    await server.updateTtl(human, 60);
    await server.revoke(human);
    await server.revoke(human);
    const events = await service.sql<{ action: string; details: object }>(
      'SELECT action, details FROM audit_events WHERE tenant_id = $1 ORDER BY age(xmin), action DESC LIMIT 4',
      [org.tenantId],
    );
    expect(events.reverse()).toEqual([
      { action: 'limits.set', details: { limits: [{ type: 'token_cnt', microUnits: '5000000' }] } },
      { action: 'usage_token.created', details: { ttlSeconds: 3600 } },
      { action: 'usage_token.updated', details: { ttlSeconds: 60, tokens: 1 } },
      { action: 'usage_token.revoked', details: { tokens: 1 } },
    ]);
    const texts = await service.sql<{ text: string }>('SELECT e::text AS text FROM audit_events e');
    expect(texts.filter(({ text }) => text.includes(human))).toEqual([]);
  });
});
