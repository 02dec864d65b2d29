import type { AddressInfo } from 'node:net';
import { HttpException, NotFoundException } from '@nestjs/common';
import { fastify, type FastifyInstance } from 'fastify';
import { captureLog, type CapturedLog } from '../../../test/support/captured-log.js';
import { testSettings } from '../../../test/support/settings.js';
import { Fault } from '../errors/index.js';
import type { Dialect } from './dialect.js';
import { Dialects } from './dialects.js';
import { Drain } from './drain.js';
import { sendFault } from './fault.filter.js';
import { pathOf } from './logged-path.js';
import { OPENAI_DIALECT } from './openai.dialect.js';
import { PacedRefusals } from './paced-refusals.js';
import { PLATFORM_DIALECT } from './platform.dialect.js';

const SECRET = 'hunter2';

let app: FastifyInstance;
let log: CapturedLog;
/** The error that the handler throws. */
let thrown: unknown;
let dialect: Dialect | undefined;

beforeEach(() => {
  log = captureLog();
  app = fastify();
  app.decorate('dialects', new Dialects());
  app.decorate('refusals', new PacedRefusals(testSettings(), new Drain()));
  app.decorateRequest('context', undefined);
  app.decorateRequest('dialect', undefined);
  app.setErrorHandler((error, request, reply) => sendFault(request, reply, error));
  app.get('/fails', (request, reply) => {
    request.dialect = dialect;
    sendFault(request, reply, thrown);
    return reply;
  });
});

afterEach(async () => {
  log.stop();
  await app.close();
});

async function answerTo(
  error: unknown,
  inDialect: Dialect | undefined = PLATFORM_DIALECT,
): Promise<{ status: number; headers: Record<string, unknown>; text: string; body: unknown }> {
  thrown = error;
  dialect = inDialect;
  const response = await app.inject({ method: 'GET', url: `/fails?key=${SECRET}` });
  return { status: response.statusCode, headers: response.headers, text: response.body, body: response.json() };
}

/** An error like those of drivers: with an inner message, and properties that contain whole requests. */
const driverError = Object.assign(new Error(`connect to ${SECRET} failed`), {
  detail: SECRET,
  statusCode: 400,
  code: 'P1001',
});

describe('an error that is not a fault', () => {
  it.each<[string, unknown]>([
    ['an error', new Error(SECRET)],
    ["a driver's error with a status and code of its own", driverError],
    ['an error with a cause', new Error('outer', { cause: new Error(SECRET) })],
    ['a TypeError', new TypeError(SECRET)],
    ['a string', SECRET],
    ['an object', { message: SECRET, status: 400 }],
    ['null', null],
    ['undefined', undefined],
    ["the framework's 500", new HttpException(SECRET, 500)],
    ["the framework's 503", new HttpException(SECRET, 503)],
    ["a framework's status that we do not know", new HttpException(SECRET, 418)],
  ])('is answered with 500 and a fixed text: %s', async (_case, error) => {
    for (const spoken of [PLATFORM_DIALECT, OPENAI_DIALECT, undefined]) {
      const { status, text } = await answerTo(error, spoken);
      expect(status).toBe(500);
      expect(text).toContain('An internal error occurred.');
      expect(text).not.toContain(SECRET);
    }
  });

  it('is logged with its stack, and never with the query or its own properties', async () => {
    await answerTo(
      Object.assign(new Error('it broke'), { detail: SECRET, config: { headers: { authorization: SECRET } } }),
    );
    expect(log.lines).toEqual([expect.objectContaining({ level: 50, kind: 'internal', url: '/fails' })]);
    expect(log.lines[0]).toMatchObject({
      err: { type: 'Error', message: 'it broke', stack: expect.stringContaining('fault.filter.spec') as string },
    });
    expect(log.text()).not.toContain(SECRET);
  });
});

describe('a fault', () => {
  it.each([PLATFORM_DIALECT, OPENAI_DIALECT])('is sent in the dialect of its controller: $name', async (spoken) => {
    const { status, headers, body } = await answerTo(
      new Fault('not_found', 'No API key has this id. List them with /api/v1/api-keys/list.'),
      spoken,
    );
    expect(status).toBe(404);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    const expected =
      spoken === PLATFORM_DIALECT ? { error: { status: 'NOT_FOUND' } } : { error: { type: 'invalid_request_error' } };
    expect(body).toMatchObject(expected);
  });

  it('keeps its cause for the log', async () => {
    const { status, text } = await answerTo(
      new Fault('unavailable', 'Try again.', { cause: new Error('db.internal is down') }),
    );
    expect(status).toBe(503);
    expect(text).not.toContain('db.internal');
    expect(log.text()).toContain('db.internal is down');
  });

  it.each(['upstream_failed', 'upstream_timeout'] as const)(
    'of another server is a warning without a stack, which any tenant could fill the log with: %s',
    async (kind) => {
      await answerTo(new Fault(kind, 'It failed.', { cause: new Error('ECONNREFUSED') }));
      expect(log.lines).toMatchObject([{ level: 40, kind, reason: 'ECONNREFUSED' }]);
      expect(log.text()).not.toContain('stack');
    },
  );

  it("that is the caller's own mistake is not logged as an error", async () => {
    await answerTo(new Fault('invalid_input', 'x'));
    expect(log.lines).toEqual([]);
  });

  it.each([
    [0, '1'],
    [0.2, '1'],
    [1, '1'],
    [1.01, '2'],
    [59.5, '60'],
  ])('that can be retried after %d s says so in whole seconds, at least one', async (retryAfterSeconds, header) => {
    const { headers } = await answerTo(new Fault('rate_limited', 'x', { retryAfterSeconds }));
    expect(headers['retry-after']).toBe(header);
  });

  it("tells OpenAI's clients not to retry only where the fault says so", async () => {
    expect(
      (await answerTo(new Fault('usage_limit_exceeded', 'x', { shouldRetry: false }))).headers['x-should-retry'],
    ).toBe('false');
    expect((await answerTo(new Fault('rate_limited', 'x'))).headers).not.toHaveProperty('x-should-retry');
  });

  it.each([
    ['missing_credential', 'Bearer'],
    ['wrong_scheme', 'Bearer'],
    ['publishable_key_needs_user_token', 'Bearer'],
    ['malformed_credential', 'Bearer error="invalid_token"'],
    ['expired_token', 'Bearer error="invalid_token"'],
    ['invalid_credential', 'Bearer error="invalid_token"'],
    // A room's own code.
    ['no_service_secret', 'Bearer error="invalid_token"'],
  ] as const)('of authentication names the scheme, and the token where one was judged: %s', async (code, challenge) => {
    const { headers } = await answerTo(new Fault('unauthenticated', 'x', { code }));
    expect(headers['www-authenticate']).toBe(challenge);
  });

  it('of anything else asks for no credential', async () => {
    expect((await answerTo(new Fault('permission_denied', 'x'))).headers).not.toHaveProperty('www-authenticate');
  });

  it('with an unread body closes the connection', async () => {
    expect((await answerTo(new Fault('payload_too_large', 'x'))).headers['connection']).toBe('close');
  });

  it('after the answer began cuts the answer off, and writes nothing into it', async () => {
    app.get('/begun', (request, reply) => {
      reply.hijack();
      reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
      reply.raw.write('data: 1\n\n', () => sendFault(request, reply, new Fault('internal', SECRET)));
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const response = await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/begun`);
    expect(response.status).toBe(200);
    let received = '';
    const reading = (async () => {
      for await (const chunk of response.body!) received += Buffer.from(chunk as Uint8Array).toString();
    })();
    await expect(reading).rejects.toThrow();
    expect(received).toBe('data: 1\n\n');
  });
});

describe("the framework's own refusals", () => {
  it('before any route are sent in our words', async () => {
    const { status, body } = await answerTo(new NotFoundException('Cannot GET /fails'));
    expect(status).toBe(404);
    expect(body).toMatchObject({
      error: { status: 'NOT_FOUND', message: 'No route matches GET /fails. /openapi.json lists the routes.' },
    });
  });

  it("of a file's condition that does not hold are the caller's, and say which headers", async () => {
    const { status, body } = await answerTo(new HttpException('Precondition Failed', 412));
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: { message: expect.stringContaining('if-match or if-unmodified-since') as string },
    });
  });

  it('of a malformed URL are answered with 400 although no hook ran', async () => {
    const broken = fastify({ frameworkErrors: (error, request, reply) => sendFault(request, reply, error) });
    broken.decorate('dialects', new Dialects());
    broken.decorate('refusals', new PacedRefusals(testSettings(), new Drain()));
    broken.get('/:id', () => 'x');
    const response = await broken.inject({ method: 'GET', url: '/%E0%A4%A' });
    await broken.close();
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({ error: { status: 'INVALID_ARGUMENT' } });
  });
});

describe('a path for the log', () => {
  it.each([
    ['/a/b', '/a/b'],
    ['/a?key=sk', '/a'],
    ['/a?b?c', '/a'],
    ['?x', ''],
  ])('of %s is %j', (url, path) => {
    expect(pathOf(url)).toBe(path);
  });
});
