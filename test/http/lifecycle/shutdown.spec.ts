import { setTimeout } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream, UPSTREAM_MODEL, completion, streamPieces } from '../../support/openai-upstream.js';
import { PostgresProxy } from '../../support/postgres-proxy.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { startServiceProcess, type Exit, type Org, type ServiceProcess } from '../../support/service.js';
import { seedTenant } from '../../support/sql.js';
import { TestIssuer } from '../../support/tokens.js';
import { settledCalls, type LedgerRow } from '../ledger.js';
import { OpenStream } from '../open-stream.js';
import { RawConnection } from '../raw-http.js';

let database: TestDatabase;
let issuer: TestIssuer;
let upstream: OpenaiUpstream;
let org: Org;
let service: ServiceProcess;
let key: string;

beforeAll(async () => {
  [database, issuer, upstream] = await Promise.all([createTestDatabase(), TestIssuer.start(), OpenaiUpstream.start()]);
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  org = { orgId, tenantId, user: ownerId };
});

afterAll(async () => {
  await upstream.close();
  await issuer.stop();
  await database.drop();
});

async function start(env: Record<string, string>): Promise<void> {
  service = await startServiceProcess({ database, issuer, upstream, providerTenants: [org.tenantId], env });
  ({ key } = await service.createKey(org));
  await service.sql('DELETE FROM usage_records');
  upstream.reset();
}

afterEach(() => service.kill9());

const body = (stream = true): object => ({
  model: UPSTREAM_MODEL,
  stream,
  messages: [{ role: 'user', content: 'Count, please.' }],
});
const WORDS = Array.from({ length: 2000 }, (_, index) => ` word${index}`);

/** The ledger by request, once no call is open. */
async function ledgerByRequest(count: number): Promise<Map<string, LedgerRow>> {
  return new Map((await settledCalls(service, count)).map((row) => [row.request_id, row]));
}

const requestIdOf = (stream: OpenStream): string => String(stream.headers['x-request-id']);

/** Waits for the process to end by itself; a test that waits too long fails with a message. */
async function exit(): Promise<Exit> {
  await eventually(() => service.process.hasExited, 20_000);
  return service.process.exited;
}

describe('SIGTERM', () => {
  it('accepts no new connection, finishes what ends in time, sends the rest an error, settles all, exits 0', async () => {
    await start({ GATEHOUSE_DRAIN_SECONDS: '4' });
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS.slice(0, 40) }), delayMs: 30 });
    const short = OpenStream.start(service, key, body());
    await short.until('word0"');
    upstream.next({ kind: 'stream', pieces: streamPieces({ words: WORDS }), delayMs: 30 });
    const long = OpenStream.start(service, key, body());
    await long.until('word0"');
    upstream.next({ kind: 'hang' });
    const waiting = OpenStream.start(service, key, body(false));
    await upstream.request(3);

    service.process.signal('SIGTERM');
    await eventually(() => expect(service.call('GET', '/health/live')).rejects.toThrow('ECONNREFUSED'));
    expect(service.process.hasExited).toBe(false);

    await short.whole();
    expect(short.text).toContain(' word39"');
    expect(short.events.at(-1)).toBe('[DONE]');

    await long.whole();
    expect(long.ended).toBe(true);
    expect(long.events.at(-1)).toMatchObject({ error: { code: 'server_shutting_down', type: 'server_error' } });
    expect(long.events).not.toContain('[DONE]');

    await waiting.whole();
    expect(waiting.status).toBe(503);
    expect(JSON.parse(waiting.text)).toMatchObject({ error: { code: 'server_shutting_down' } });
    expect(waiting.headers['x-ratelimit-limit']).toBe('1000');

    const { code, stderr } = await exit();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = await ledgerByRequest(3);
    expect(rows.get(requestIdOf(short))).toMatchObject({ state: 'SETTLED', outcome: 'OK' });
    const cut = rows.get(requestIdOf(long))!;
    expect(cut).toMatchObject({ state: 'SETTLED', outcome: 'SHUTDOWN', estimated: true });
    expect(cut.output_tokens).toBeGreaterThan(10);
    expect(rows.get(requestIdOf(waiting))).toMatchObject({ state: 'SETTLED', outcome: 'SHUTDOWN', output_tokens: 0 });
    for (const request of upstream.requests.slice(1)) expect(request.aborted).toBe(true);
  });

  it('with no open call ends the process at once, however long it could wait', async () => {
    await start({ GATEHOUSE_DRAIN_SECONDS: '3600' });
    expect((await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status).toBe(200);
    service.process.signal('SIGTERM');
    expect(await exit()).toMatchObject({ code: 0, stderr: '' });
  });

  it('accepts requests for a while after readiness turned 503, each on a connection that ends with it', async () => {
    await start({ GATEHOUSE_LAME_DUCK_SECONDS: '300' });
    service.process.signal('SIGTERM');
    await eventually(async () => (await service.call('GET', '/health/ready')).status === 503);
    const answer = await service.call('POST', '/v1/chat/completions', {
      headers: { 'x-api-key': key },
      body: body(false),
    });
    expect([answer.status, answer.headers['connection']]).toEqual([200, 'close']);
    expect((await service.call('GET', '/health/live')).status).toBe(200);
    expect(service.process.hasExited).toBe(false);
    await settledCalls(service, 1);
  });

  it('answers on a connection that it accepted just before it stopped listening', async () => {
    await start({ GATEHOUSE_LAME_DUCK_SECONDS: '1' });
    const accepted: RawConnection[] = [];
    service.process.signal('SIGTERM');
    // A proxy that asks for no readiness opens connections until it is refused.
    await expect(
      (async () => {
        for (;;) {
          accepted.push(await RawConnection.open(service.baseUrl));
          await setTimeout(5);
        }
      })(),
    ).rejects.toThrow('ECONNREFUSED');
    const last = accepted.slice(-20);
    for (const connection of last) {
      connection.send(`GET /v1/models HTTP/1.1\r\nhost: gatehouse\r\nx-api-key: ${key}\r\n\r\n`);
    }
    const answers = await Promise.all(last.map((connection) => connection.answer()));
    for (const { status, headers } of answers) {
      expect({ status, connection: headers['connection'] }).toEqual({ status: 200, connection: 'close' });
    }
    expect(await exit()).toMatchObject({ code: 0, stderr: '' });
    for (const connection of accepted) connection.destroy();
  });

  it("waits for the database as long as calls may run: a call's usage is written once it is back", async () => {
    const proxy = await PostgresProxy.start(database.ownerUrl);
    try {
      await start({ GATEHOUSE_DRAIN_SECONDS: '300', DATABASE_URL: proxy.through(database.ownerUrl) });
      upstream.next({ kind: 'body', body: completion(), delayMs: 1000 });
      const call = OpenStream.start(service, key, body(false));
      await upstream.request();
      proxy.tcp.refuse(true);
      proxy.tcp.cut();
      service.process.signal('SIGTERM');
      expect(JSON.parse(await call.whole())).toEqual(completion());
      const tries = (): number =>
        service.process.log.filter(({ msg }) => msg === 'Settlements wait for the database.').length;
      // More tries than the few last ones of a process whose drain time is over.
      await eventually(() => tries() > 6, 60_000);
      proxy.tcp.refuse(false);
      expect(await exit()).toMatchObject({ code: 0, stderr: '' });
      expect((await settledCalls(service, 1))[0]).toMatchObject({ outcome: 'OK', output_tokens: 12 });
    } finally {
      await proxy.close();
    }
  });

  it('lets a call that is not streamed end, and its caller gets the whole answer', async () => {
    await start({ GATEHOUSE_DRAIN_SECONDS: '60' });
    upstream.next({ kind: 'body', body: completion(), delayMs: 1000 });
    const call = OpenStream.start(service, key, body(false));
    await upstream.request();
    service.process.signal('SIGTERM');
    expect(JSON.parse(await call.whole())).toEqual(completion());
    expect(await exit()).toMatchObject({ code: 0, stderr: '' });
    expect((await settledCalls(service, 1))[0]).toMatchObject({ outcome: 'OK', output_tokens: 12 });
  });

  it('does not wait for connections without a request, or with half of one', async () => {
    await start({ GATEHOUSE_DRAIN_SECONDS: '1' });
    const silent = await RawConnection.open(service.baseUrl);
    const halfHead = await RawConnection.open(service.baseUrl);
    halfHead.send('GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Api');
    const halfBody = await RawConnection.open(service.baseUrl);
    halfBody.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Length: 100\r\n\r\n{"model":`,
    );
    const idle = await RawConnection.open(service.baseUrl);
    idle.send('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await idle.answer()).status).toBe(200);
    service.process.signal('SIGTERM');
    try {
      expect(await exit()).toMatchObject({ code: 0, stderr: '' });
    } finally {
      for (const connection of [silent, halfHead, halfBody, idle]) connection.destroy();
    }
    await settledCalls(service, 0);
  });

  it('does not wait for a caller who stopped reading', async () => {
    await start({ GATEHOUSE_DRAIN_SECONDS: '1' });
    const words = Array.from({ length: 300 }, () => 'x'.repeat(64 * 1024));
    upstream.next({ kind: 'stream', pieces: streamPieces({ words }) });
    const text = JSON.stringify(body());
    const connection = await RawConnection.open(service.baseUrl);
    connection.pause();
    connection.send(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
    await upstream.request();
    service.process.signal('SIGTERM');
    try {
      expect(await exit()).toMatchObject({ code: 0, stderr: '' });
    } finally {
      connection.destroy();
    }
    expect((await settledCalls(service, 1))[0]).toMatchObject({ state: 'SETTLED', outcome: 'SHUTDOWN' });
  });
});
