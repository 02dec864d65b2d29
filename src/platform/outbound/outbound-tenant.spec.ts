import diagnosticsChannel from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import { DnsServer } from '../../../test/support/dns-server.js';
import { pause } from '../../../test/support/eventually.js';
import {
  LEADING_NAMES,
  LOOPBACK_HOSTS,
  LOOPBACK_RANGES,
  MISLEADING_NAMES,
  PRIVATE_NAMES,
  RESERVED_HOSTS,
  trickyUrls,
} from '../../../test/support/forbidden-urls.js';
import { LoopbackListener } from '../../../test/support/loopback-listener.js';
import { RecordedAnswer } from '../../../test/support/recorded-answer.js';
import { selfSignedCertificate } from '../../../test/support/self-signed-certificate.js';
import type { OutboundError } from './outbound-request.js';
import { OutboundHttp, type OutboundSettings } from './outbound.js';

/**
 * Stands for a public address, since it is allowed: a test sends nothing to the internet. 127.0.0.1 and ::1 are then as
 * forbidden as always.
 */
const PUBLIC = '127.0.0.2';
const PUBLIC_ONLY = [`${PUBLIC}/32`];
const LIMITS = { timeoutMs: 5000, maxBytes: 10_000 };
const AN_ADDRESS = /\d+\.\d+\.\d+\.\d+|[0-9a-f]*:[0-9a-f]*:/i;
const REDIRECTS = [301, 302, 303, 307, 308];
const REBINDING = 'rebind.example.com';

const certificate = selfSignedCertificate([
  '127.0.0.1',
  PUBLIC,
  '0.0.0.0',
  '::1',
  '::',
  '::ffff:127.0.0.1',
  'localhost',
  'app.localhost',
  REBINDING,
  ...Object.keys(LEADING_NAMES),
]);

/** Every address that a socket of this process tried to connect to. */
const attempts: string[] = [];

function watchSocket(message: unknown): void {
  const { socket } = message as { socket: Socket };
  socket.on('connectionAttempt', (address) => attempts.push(address));
}

describe.each([
  { mode: 'development', scheme: 'http' },
  { mode: 'production', scheme: 'https' },
] as const)('a URL that a tenant chose, over $scheme in $mode', ({ mode, scheme }) => {
  let names: DnsServer;
  let listener: LoopbackListener;
  let clients: OutboundHttp[];
  const formerAuthorities = tls.getCACertificates('default');

  beforeAll(async () => {
    tls.setDefaultCACertificates([...formerAuthorities, certificate.cert]);
    diagnosticsChannel.subscribe('net.client.socket', watchSocket);
    names = await DnsServer.start();
    listener = await LoopbackListener.start({
      addresses: ['127.0.0.1', PUBLIC, '::1'],
      ...(scheme === 'https' ? { certificate } : {}),
    });
    for (const [name, addresses] of Object.entries({ ...LEADING_NAMES, ...MISLEADING_NAMES }))
      names.set(name, addresses);
  });

  afterAll(async () => {
    await listener.close();
    await names.close();
    diagnosticsChannel.unsubscribe('net.client.socket', watchSocket);
    tls.setDefaultCACertificates(formerAuthorities);
  });

  beforeEach(() => {
    clients = [];
    listener.reset();
    names.questions.length = 0;
    attempts.length = 0;
  });

  afterEach(async () => {
    await Promise.all(clients.map((client) => client.onApplicationShutdown()));
  });

  function client(outboundAllowCidrs: readonly string[] = [], settings: Partial<OutboundSettings> = {}): OutboundHttp {
    const http = new OutboundHttp({ mode, connectTimeoutMs: 5000, outboundAllowCidrs, ...settings });
    clients.push(http);
    return http;
  }

  const get = (http: OutboundHttp, url: string): ReturnType<OutboundHttp['fetchJson']> =>
    http.fetchJson(url, { ...LIMITS, policy: 'tenant' });

  const urlOf = (host: string, path = '/'): string => `${scheme}://${host}:${listener.port}${path}`;

  function dispatch(http: OutboundHttp, origin: string): RecordedAnswer {
    const recorder = new RecordedAnswer();
    http.dispatch(
      {
        policy: 'tenant',
        origin,
        path: '/',
        method: 'POST',
        headers: ['content-type', 'application/json'],
        body: '{}',
        firstByteTimeoutMs: 5000,
        idleTimeoutMs: 5000,
        totalTimeoutMs: 5000,
      },
      recorder,
    );
    return recorder;
  }

  /** Refused, in words without an address, and without even trying a connection. */
  async function expectForbidden(http: OutboundHttp, url: string): Promise<void> {
    const error = (await get(http, url).then(
      ({ status }) => expect(`an answer, ${status}`).toBe('no answer'),
      (reason: unknown) => reason,
    )) as OutboundError;
    expect(error).toMatchObject({ name: 'OutboundError', reason: 'forbidden' });
    expect(error.message).not.toMatch(AN_ADDRESS);
    expect(attempts).toEqual([]);
    expect(listener.connections).toEqual([]);
  }

  it.each(LOOPBACK_HOSTS)('does not reach %j, which it does once the operator allows that', async (host) => {
    await expectForbidden(client(), urlOf(host));
    await expectForbidden(client(['10.0.0.0/8', '64:ff9b::/96']), urlOf(host));
    expect(await get(client(LOOPBACK_RANGES), urlOf(host))).toMatchObject({ status: 200, body: { ok: true } });
    expect(listener.connections).toHaveLength(1);
  });

  it.each(Object.keys(LEADING_NAMES))(
    'does not reach %s, which it does once the operator allows that',
    async (name) => {
      await expectForbidden(client(), urlOf(name));
      expect(names.questions).toContainEqual({ name, type: 'A' });
      const ranges = [...LOOPBACK_RANGES, '::ffff:0:0/96'];
      expect(await get(client(ranges), urlOf(name.toUpperCase()))).toMatchObject({ status: 200, body: { ok: true } });
      expect(listener.connections).toHaveLength(1);
    },
  );

  it.each(RESERVED_HOSTS)('does not try %j', async (host) => {
    await expectForbidden(client(), `${scheme}://${host}/latest/meta-data/`);
    await expectForbidden(client(PUBLIC_ONLY), urlOf(host));
  });

  it.each(Object.keys(MISLEADING_NAMES))('does not try %s, not even its public address', async (name) => {
    await expectForbidden(client(), urlOf(name));
    await expectForbidden(client(PUBLIC_ONLY), urlOf(`${name}.`));
  });

  it.each(PRIVATE_NAMES)('does not even look up %j', async (name) => {
    await expectForbidden(client(), urlOf(name));
    expect(names.questions).toEqual([]);
  });

  it("decides by a private name's addresses, where the operator allows private ranges", async () => {
    names.set('metadata.google.internal', ['169.254.169.254']);
    await expectForbidden(client(PUBLIC_ONLY), urlOf('metadata.google.internal'));
    names.set('rebind', [PUBLIC]);
    if (scheme === 'http') expect(await get(client(PUBLIC_ONLY), urlOf('rebind'))).toMatchObject({ status: 200 });
  });

  it('is refused where two parsers read different URLs', async () => {
    for (const url of trickyUrls(scheme, listener.port)) {
      await expectForbidden(client(), url);
      await expectForbidden(client(['0.0.0.0/0', '::/0']), url);
    }
    expect(names.questions).toEqual([]);
  });

  it.each(REDIRECTS)('gets a redirect (%d) as the answer and does not follow it', async (status) => {
    const location = urlOf('127.0.0.1', '/secret');
    listener.answer = (_request, response) => response.writeHead(status, { location }).end('{"moved":true}');
    const answer = await get(client(PUBLIC_ONLY), urlOf(PUBLIC, '/start'));
    expect(answer).toMatchObject({ status, headers: { location }, body: { moved: true } });
    const posted = dispatch(client(PUBLIC_ONLY), urlOf(PUBLIC, ''));
    await posted.over;
    expect(posted).toMatchObject({ status, error: null });
    expect(listener.requests).toEqual([`${PUBLIC} /start`, `${PUBLIC} /`]);
  });

  it('connects to the address that was checked, whatever the name leads to a moment later', async () => {
    names.set(REBINDING, [PUBLIC], ['127.0.0.1', '::1']);
    const addressQuestions = (): number => names.questions.filter(({ type }) => type === 'A').length;
    expect(await get(client(PUBLIC_ONLY), urlOf(REBINDING))).toMatchObject({ status: 200 });
    expect(addressQuestions()).toBe(1);
    expect([...new Set(attempts)]).toEqual([PUBLIC]);
    expect(listener.connections).toEqual([PUBLIC]);

    // By now the name leads to a server that would answer.
    listener.reset();
    attempts.length = 0;
    await expectForbidden(client(PUBLIC_ONLY), urlOf(REBINDING));
    expect(addressQuestions()).toBe(2);
    expect(await get(client(LOOPBACK_RANGES), urlOf(REBINDING))).toMatchObject({ status: 200 });
    expect(listener.connections).not.toContain(PUBLIC);
  });

  it('is checked at each new connection: a name that has moved is refused, although it was called before', async () => {
    names.set(REBINDING, [PUBLIC], ['127.0.0.1']);
    listener.answer = (_request, response) => response.writeHead(200, { connection: 'close' }).end('{}');
    const http = client(PUBLIC_ONLY);
    expect(http.assertAllowedUrl(urlOf(REBINDING), 'issuer').hostname).toBe(REBINDING);
    expect(await get(http, urlOf(REBINDING))).toMatchObject({ status: 200 });
    listener.reset();
    attempts.length = 0;
    for (let tries = 0; tries < 3; tries += 1) await expectForbidden(http, urlOf(REBINDING));
  });

  it('never gets a connection that was opened for the operator', async () => {
    // A name, with one range allowed: the text by itself refuses nothing here.
    const http = client(PUBLIC_ONLY);
    const origin = urlOf('localhost', '');
    expect(await http.fetchJson(origin, LIMITS)).toMatchObject({ status: 200 });
    // A connection is free again a moment after its answer was read.
    await pause(10);
    listener.reset();
    attempts.length = 0;
    await expectForbidden(http, origin);
    const posted = dispatch(http, origin);
    await posted.over;
    expect(posted.error?.reason).toBe('forbidden');
    expect(listener.requests).toEqual([]);
    // The operator's connection is still open, and serves the operator.
    expect(await http.fetchJson(origin, LIMITS)).toMatchObject({ status: 200 });
    expect(listener.connections).toEqual([]);
    expect(listener.requests).toHaveLength(1);
  });

  it('is checked again by its text when it is called, since it may have been stored under other rules', async () => {
    const http = client(LOOPBACK_RANGES);
    const { port } = listener;
    for (const origin of [`ftp://127.0.0.1:${port}`, `${scheme}://u:p@127.0.0.1:${port}`, `127.0.0.1:${port}`, '']) {
      const recorder = dispatch(http, origin);
      await recorder.over;
      expect(recorder.error?.reason).toBe('forbidden');
    }
    const plain = dispatch(client(LOOPBACK_RANGES, { mode: 'production' }), `http://127.0.0.1:${port}`);
    await plain.over;
    expect(plain.error?.reason).toBe('forbidden');
    expect(attempts).toEqual([]);
  });

  it("gives no address where it can't connect to an allowed one", async () => {
    const free = await LoopbackListener.start({ addresses: ['127.0.0.1'] });
    await free.close();
    names.set('gone.example.com', ['127.0.0.1']);
    for (const host of ['gone.example.com', 'unknown.example.com']) {
      const error = await get(client(LOOPBACK_RANGES), `${scheme}://${host}:${free.port}/`).catch((e: unknown) => e);
      expect(error).toMatchObject({ reason: 'connect', message: 'No connection could be made.' });
    }
  });

  it('only the log shows where a name led', async () => {
    const error = (await get(client(), urlOf('metadata.example.com')).catch((e: unknown) => e)) as OutboundError;
    expect((error.cause as Error).message).toContain('169.254.169.254');
    expect((error.cause as Error).message).toContain('OUTBOUND_ALLOW_CIDRS');
  });
});
