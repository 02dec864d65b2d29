/** Where the answer is certain before the body has arrived, the service does not wait for the body. */
import http from 'node:http';
import { startService, type Org, type TestService } from '../../support/service.js';
import { eventually, pause } from '../../support/eventually.js';
import { RawConnection } from '../raw-http.js';

const MIB = 1024 * 1024;
const MANY = [1_000_000, 1_000_000, 1_000_000] as const;

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({
    settings: {
      tenantBodyBytes: 4 * MIB,
      bodyBytes: 64 * MIB,
      idleTimeoutMs: 3_000,
      trustedProxies: ['127.0.0.1/32'],
      anonymousClientQuota: MANY,
      anonymousGlobalQuota: MANY,
    },
  });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
});

afterAll(() => service.stop());

const head = (...lines: string[]): Promise<RawConnection> => headAt('gatehouse', ...lines);

async function headAt(host: string, ...lines: string[]): Promise<RawConnection> {
  const connection = await RawConnection.open(service.baseUrl);
  connection.send(`${lines.join('\r\n')}\r\nHost: ${host}\r\n\r\n`);
  return connection;
}

/**
 * Runs while two bodies arrive a byte at a time. It starts again where a busy machine takes what `act` sends for the first of
 * them.
 */
function whileTwoAreOpen(begin: () => Promise<RawConnection>, act: () => Promise<void>): Promise<void> {
  return eventually(async () => {
    const open = await Promise.all([begin(), begin()]);
    const timer = setInterval(() => open.forEach((connection) => connection.send(' ')), 500);
    try {
      await pause(300);
      await act();
    } finally {
      clearInterval(timer);
      for (const connection of open) connection.destroy();
    }
  });
}

const CHAT = 'POST /v1/chat/completions HTTP/1.1';

describe('a caller without a good credential', () => {
  it.each([
    ['no credential', CHAT, []],
    ['a wrong credential', CHAT, ['X-API-Key: sk_nothing']],
    ['no credential, at an unknown path', 'POST /v1/nothing HTTP/1.1', []],
    ['no credential, at a probe', 'GET /health/live HTTP/1.1', []],
  ])('(%s) is answered, and its connection is closed, although its body never comes', async (_what, line, headers) => {
    for (const body of ['Content-Length: 5', `Content-Length: ${MIB}`, 'Transfer-Encoding: chunked']) {
      const connection = await head(line, ...headers, body);
      expect([200, 401, 404]).toContain((await connection.answer()).status);
      await connection.closed();
    }
  });

  it('keeps its connection where its whole body has arrived', async () => {
    const connection = await RawConnection.open(service.baseUrl);
    for (let i = 0; i < 3; i += 1) {
      connection.send(`${CHAT}\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`);
      expect((await connection.answer()).status).toBe(401);
    }
    connection.destroy();
  });
});

describe('a caller that keeps its body back until it is asked', () => {
  /** The status of the answer, and whether the body was asked for. */
  const ask = (headers: http.OutgoingHttpHeaders): Promise<{ status: number | undefined; wasAsked: boolean }> =>
    new Promise((resolve, reject) => {
      const request = http.request(`${service.baseUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { expect: '100-continue', 'content-length': 2, ...headers },
      });
      let wasAsked = false;
      request.on('continue', () => {
        wasAsked = true;
        request.end('{}');
      });
      request.on('response', (answer) => {
        resolve({ status: answer.statusCode, wasAsked });
        request.destroy();
      });
      request.on('error', reject);
      request.flushHeaders();
    });

  it('is asked once it may send it, and not where it is refused', async () => {
    expect(await ask({ 'x-api-key': key })).toEqual({ status: 400, wasAsked: true });
    expect(await ask({ 'x-api-key': 'sk_nothing' })).toEqual({ status: 401, wasAsked: false });
    expect(await ask({ 'x-api-key': key, 'content-length': 64 * MIB })).toEqual({ status: 413, wasAsked: false });
  });
});

describe('a caller whose request window is full', () => {
  it('is answered before the body has arrived', async () => {
    const { key: slow } = await service.createKey(org, { requestsPerMinute: 1 });
    const headers = { 'x-api-key': slow };
    expect((await service.call('GET', '/v1/models', { headers })).status).toBe(200);
    const connection = await head(CHAT, `X-API-Key: ${slow}`, `Content-Length: ${MIB}`);
    expect((await connection.answer()).status).toBe(429);
    connection.destroy();
  });
});

describe('a key or a tenant with nothing left', () => {
  it('is answered before its body has arrived, where that is long or of unknown length', async () => {
    const { key: spent, keyId } = await service.createKey(org);
    const set = (limit: string) =>
      service.asUser({ user: org.user, tenant: org.tenantId }, 'budgets/set', {
        ...{ holder: { keyId }, type: 'request_cnt', period: 'MONTH', limit },
      });
    await set('0');
    const minted = await service.call('POST', '/api/v1/oauth/token', {
      headers: { 'x-api-key': spent },
      body: { requestAuthAndQuotas: { serviceSecrets: [{ serviceId: 'chat:openai.com', authSecret: 'sk-a-secret' }] } },
    });
    const { access_token: sealed } = minted.json<{ access_token: string }>();
    for (const credential of [`X-API-Key: ${spent}`, `Authorization: Bearer ${sealed}`]) {
      for (const body of [`Content-Length: ${MIB}`, 'Transfer-Encoding: chunked']) {
        const connection = await headAt(new URL(service.baseUrl).host, CHAT, credential, body);
        const answer = await connection.answer();
        expect(answer.status).toBe(429);
        expect(answer.json()).toMatchObject({ error: { code: 'usage_limit_exceeded' } });
        await connection.closed();
      }
    }
    await set('1');
    const connection = await head(CHAT, `X-API-Key: ${spent}`, `Content-Length: ${MIB}`);
    await pause(100);
    connection.send(`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"${'a'.repeat(MIB - 67)}"}]}`);
    expect((await connection.answer()).status).not.toBe(429);
    connection.destroy();
    expect(service.upstream.requests.length).toBeLessThanOrEqual(1);
    service.upstream.requests.length = 0;
  });
});

describe('a human with nothing left', () => {
  beforeAll(() =>
    service.asUser({ user: org.user, tenant: org.tenantId }, 'webhooks/create', {
      url: 'https://hooks.example/x',
      events: ['usage.limit_exceeded'],
    }),
  );

  const limit = (human: string, limits: object[]) =>
    service.call('POST', '/v1/usage/token', { headers: { 'x-api-key': key }, body: { human, limits } });
  const events = (human: string) =>
    service.sql(
      `SELECT e.payload FROM webhook_events e JOIN humans h ON h.id = e.human_id
       WHERE h.human = $1 AND e.type = 'usage.limit_exceeded'`,
      [human],
    );

  it.each([
    ['request_cnt', 0],
    ['token_cnt', 0],
    ['token_cnt', 0.5],
    ['cost_micros', 0],
  ])('(%s %d) is answered before the body has arrived, and the webhook gets one event', async (type, value) => {
    const human = `${type} ${value}`;
    expect((await limit(human, [{ type, value }])).status).toBe(200);
    for (let i = 0; i < 2; i += 1) {
      const connection = await head(CHAT, `X-API-Key: ${key}`, `x-human-id: ${human}`, `Content-Length: ${MIB}`);
      const answer = await connection.answer();
      expect(answer.status).toBe(429);
      expect(answer.json()).toMatchObject({ type: 'usage_limit_exceeded', error: { code: 'usage_limit_exceeded' } });
      expect(answer.headers['x-should-retry']).toBe('false');
      await connection.closed();
    }
    expect(await events(human)).toHaveLength(1);
    expect(service.upstream.requests).toEqual([]);
  });

  it('of one type is refused; a human with some of each type, or without limits, is not', async () => {
    await limit('some', [
      { type: 'request_cnt', value: 1 },
      { type: 'token_cnt', value: 100_000 },
    ]);
    const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hi' }] });
    for (const human of ['some', 'never seen']) {
      const connection = await head(
        CHAT,
        `X-API-Key: ${key}`,
        `x-human-id: ${human}`,
        `Content-Length: ${body.length}`,
      );
      await pause(100);
      connection.send(body);
      expect((await connection.answer()).status).toBe(200);
      connection.destroy();
    }
    const [row] = await service.sql<{ used: string }>(`SELECT count(*) AS used FROM usage_records WHERE model = ''`);
    expect(row!.used).toBe('0');
    service.upstream.requests.length = 0;
  });
});

describe('bodies that are still arriving', () => {
  it.each([5, MIB])('(of %d bytes) time out once they stop coming, and their connection is closed', async (length) => {
    const connection = await head(CHAT, `X-API-Key: ${key}`, `Content-Length: ${length}`);
    connection.send('{');
    const answer = await connection.answer();
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({
      error: { code: 'body_timeout', message: expect.stringContaining('GATEHOUSE_IDLE_TIMEOUT_MS') as string },
    });
    await connection.closed();
  });

  it('of one tenant are bounded: one too many is 429 at once, other tenants are served, and places become free again', async () => {
    const other = await service.createKey(await service.createOrg('another'));
    const send = (secret: string) =>
      service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': secret }, body: '{}'.padEnd(MIB) });
    const begin = (length: number) => head(CHAT, `X-API-Key: ${key}`, `Content-Length: ${length}`);
    await whileTwoAreOpen(
      () => begin(2 * MIB),
      async () => {
        const connection = await begin(MIB);
        const answer = await connection.answer();
        expect(answer.status).toBe(429);
        expect(answer.json()).toMatchObject({ error: { code: 'concurrency_limit_exceeded' } });
        expect(answer.headers['retry-after']).toBe('1');
        connection.destroy();
        expect((await send(other.key)).status).toBe(400);
      },
    );
    await eventually(async () => {
      expect((await send(key)).status).toBe(400);
    });
  });

  it("of callers without a credential are bounded for each address, so that one can't take the others’ places", async () => {
    const begin = (address: string, length: number) =>
      head('POST /api/v1/process HTTP/1.1', `X-Forwarded-For: ${address}`, `Content-Length: ${length}`);
    const body = {
      service: { serviceId: 'chat:dummy' },
      request: { inputs: [{ text: { role: 'user', content: 'Hi' } }] },
    };
    await whileTwoAreOpen(
      () => begin('192.0.2.1', 2 * MIB),
      async () => {
        const connection = await begin('192.0.2.1', MIB);
        expect((await connection.answer()).status).toBe(429);
        connection.destroy();
        const answer = await service.call('POST', '/api/v1/process', {
          headers: { 'x-forwarded-for': '192.0.2.2' },
          body: JSON.stringify(body).padEnd(MIB),
        });
        expect(answer.status).toBe(200);
      },
    );
  });
});
