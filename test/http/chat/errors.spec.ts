/** The official client throws the same error classes as with OpenAI's own API. */
import OpenAI from 'openai';
import { newSecretKey } from '../../../src/keys/key-format.js';
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL, errorBody, streamPieces } from '../../support/openai-upstream.js';
import { startService, type KeyWishes, type Org, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf, settledCall, settledCalls } from '../ledger.js';

const ASK: OpenAI.ChatCompletionCreateParamsNonStreaming = {
  model: UPSTREAM_MODEL,
  messages: [{ role: 'user', content: 'Say hello.' }],
};

let service: TestService;
let org: Org;
let client: OpenAI;

beforeAll(async () => {
  service = await startService({ settings: { bodyLimitBytes: 100_000 } });
  org = await service.createOrg('founder');
  client = await clientWith();
});

afterAll(async () => {
  // The client's pool keeps unused connections open; the framework would wait for them.
  const server = service.app.getHttpServer();
  server.close();
  server.closeAllConnections();
  await service.stop();
});

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

async function clientWith(wishes: KeyWishes = {}, options: { maxRetries?: number } = {}): Promise<OpenAI> {
  const { key } = await service.createKey(org, wishes);
  return new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0, ...options });
}

type ErrorClass = new (...args: never[]) => InstanceType<typeof OpenAI.APIError>;

/** The error that a promise ends with; it must be of exactly this class, as the client's users tell errors apart. */
async function thrown(asked: PromiseLike<unknown>, ofClass: ErrorClass): Promise<InstanceType<typeof OpenAI.APIError>> {
  const ending: unknown = await Promise.resolve(asked).then(
    () => 'no error',
    (error: unknown) => error,
  );
  expect(ending).toBeInstanceOf(ofClass);
  const error = ending as InstanceType<typeof OpenAI.APIError>;
  expect(error.constructor).toBe(ofClass);
  if (error.status !== undefined) expect(error.requestID).toMatch(/^req_/);
  return error;
}

/** Nothing went upstream, and nothing was written. */
async function expectNothingDone(): Promise<void> {
  expect(service.upstream.requests).toEqual([]);
  expect(await ledgerOf(service)).toEqual([]);
}

describe('refused before it goes upstream', () => {
  it.each([
    ['a short one', 'sk_gh_0123456789', 'malformed_credential'],
    ["one of OpenAI's", 'sk-proj-a-real-one-of-openai', 'malformed_credential'],
    ['nonsense', 'nonsense', 'malformed_credential'],
    ['a publishable one', 'pk_gh_0123456789012345678901234567890AAAAAA', 'publishable_key_needs_user_token'],
    // Complete, with a valid checksum.
    ['not stored', newSecretKey(), 'invalid_credential'],
  ])('AuthenticationError for a key that is %s', async (_what, apiKey, code) => {
    const stranger = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey, maxRetries: 0 });
    for (const asked of [stranger.chat.completions.create(ASK), stranger.models.list()]) {
      const error = await thrown(asked, OpenAI.AuthenticationError);
      expect(error).toMatchObject({ status: 401, code, type: 'authentication_error' });
      expect(error.message).not.toContain(apiKey);
    }
    await expectNothingDone();
  });

  it('PermissionDeniedError for a key without chat:write', async () => {
    const limited = await clientWith({ scopes: ['usage:read'] });
    expect(await thrown(limited.chat.completions.create(ASK), OpenAI.PermissionDeniedError)).toMatchObject({
      status: 403,
      code: 'insufficient_permissions',
    });
    await expectNothingDone();
  });

  it('RateLimitError once the window is used up, with the seconds to wait', async () => {
    const limited = await clientWith({ requestsPerMinute: 2 });
    await limited.chat.completions.create(ASK);
    await limited.models.list();
    const error = await thrown(limited.chat.completions.create(ASK), OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded', type: 'rate_limit_error' });
    expect(Number(error.headers!.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(service.upstream.requests).toHaveLength(1);
    await settledCall(service);
  });

  it.each<[string, object, string]>([
    ['no messages', { messages: undefined }, 'messages'],
    ['messages that are empty', { messages: [] }, 'messages'],
    ['a message that is text', { messages: ['Hi'] }, 'messages[0]'],
    ['a model that is a number', { model: 5 }, 'model'],
    ['a limit that is text', { max_tokens: '5' }, 'max_tokens'],
    ['a stream that is text', { stream: 'yes' }, 'stream'],
  ])('BadRequestError that names the field, for %s', async (_what, fields, param) => {
    const error = await thrown(client.chat.completions.create({ ...ASK, ...fields }), OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, param, type: 'invalid_request_error' });
    expect(error.message).toContain(param);
    await expectNothingDone();
  });

  it('NotFoundError for an unknown model', async () => {
    const said = {
      message: 'There is no gpt-404.',
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    };
    service.upstream.next({ kind: 'body', status: 404, body: { error: said } });
    const error = await thrown(client.chat.completions.create({ ...ASK, model: 'gpt-404' }), OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(error.message).toContain('gpt-404');
  });

  it('NotFoundError for an unknown route', async () => {
    expect(await thrown(client.get('/no-such-route'), OpenAI.NotFoundError)).toMatchObject({ status: 404 });
  });

  it('APIError with 413 for a body over the limit', async () => {
    const messages = [{ role: 'user' as const, content: 'x'.repeat(2_000_000) }];
    expect(await thrown(client.chat.completions.create({ ...ASK, messages }), OpenAI.APIError)).toMatchObject({
      status: 413,
      code: 'request_too_large',
    });
    await expectNothingDone();
  });
});

describe('refused by the upstream', () => {
  it.each<[number, ErrorClass]>([
    [400, OpenAI.BadRequestError],
    [404, OpenAI.NotFoundError],
    [409, OpenAI.ConflictError],
    [422, OpenAI.UnprocessableEntityError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
    [503, OpenAI.InternalServerError],
  ])('with %d gives the class that OpenAI’s own answer would give', async (status, ofClass) => {
    for (const stream of [false, true]) {
      service.upstream.next({
        kind: 'body',
        status,
        body: errorBody('No, sorry.', 'some_type', 'some_code', 'messages'),
      });
      const error = await thrown(client.chat.completions.create({ ...ASK, stream }), ofClass);
      expect(error).toMatchObject({
        status,
        code: 'some_code',
        param: 'messages',
        type: 'some_type',
        message: `${status} No, sorry.`,
      });
    }
    for (const row of await settledCalls(service, 2))
      expect(row).toMatchObject({ outcome: 'UPSTREAM_ERROR', status_code: status });
  });

  it('with 429 is tried again by the client after the stated time: two calls, two records', async () => {
    const patient = await clientWith({}, { maxRetries: 1 });
    service.upstream.next({
      kind: 'body',
      status: 429,
      body: errorBody('Slower.', 'rate_limit_error'),
      headers: { 'retry-after': '0' },
    });
    expect((await patient.chat.completions.create(ASK)).choices).toHaveLength(1);
    expect((await settledCalls(service, 2)).map(({ outcome }) => outcome)).toEqual(['UPSTREAM_ERROR', 'OK']);
  });

  it('for our credential gives InternalServerError, and reveals nothing of the credential', async () => {
    service.upstream.next({
      kind: 'body',
      status: 401,
      body: errorBody('Incorrect API key provided: sk-prov*********6789.', 'x', 'invalid_api_key'),
    });
    const error = await thrown(client.chat.completions.create(ASK), OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 502, code: 'provider_authentication_failed' });
    expect(JSON.stringify(error.error)).not.toContain('sk-');
  });
});

describe('a stream', () => {
  const stream = () => client.chat.completions.create({ ...ASK, stream: true });

  it('that breaks off throws once its last piece was read', async () => {
    service.upstream.next({ kind: 'stream', pieces: streamPieces(), breakAfter: 3 });
    let text = '';
    const reading = (async () => {
      for await (const chunk of await stream()) text += chunk.choices[0]!.delta.content ?? '';
    })();
    const error = await thrown(reading, OpenAI.APIError);
    expect(error).toMatchObject({ code: 'upstream_broken', type: 'upstream_error' });
    expect(text).toBe('Hello from');
    expect(await settledCall(service)).toMatchObject({ outcome: 'UPSTREAM_BROKEN', estimated: true });
  });

  it('in which the provider reports an error throws that error', async () => {
    const pieces = [...streamPieces().slice(0, 2), errorBody('Too much.', 'server_error', 'overloaded')];
    service.upstream.next({ kind: 'stream', pieces, done: false });
    const reading = (async () => {
      for await (const _chunk of await stream());
    })();
    expect(await thrown(reading, OpenAI.APIError)).toMatchObject({ code: 'overloaded', type: 'server_error' });
    expect(await settledCall(service)).toMatchObject({ outcome: 'UPSTREAM_ERROR' });
  });

  it('that its reader aborts stops the upstream and is charged for what arrived', async () => {
    const words = Array.from({ length: 500 }, (_, index) => ` word${index}`);
    service.upstream.next({ kind: 'stream', pieces: streamPieces({ words }), delayMs: 10 });
    const open = await stream();
    for await (const chunk of open) if (chunk.choices[0]!.delta.content === ' word5') break;
    open.controller.abort();
    await service.upstream.abort();
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'CLIENT_ABORTED', estimated: true });
    expect(row.output_tokens).toBeGreaterThan(5);
    expect(row.output_tokens).toBeLessThan(1000);
  });
});

describe('a client’s own timeout', () => {
  let hurried: OpenAI;

  beforeAll(async () => {
    hurried = await clientWith();
  });

  it('gives APIConnectionTimeoutError, and stops the upstream of a stream', async () => {
    service.upstream.next({ kind: 'hang' });
    const asked = hurried.chat.completions.create({ ...ASK, stream: true }, { timeout: 3000 });
    await thrown(asked, OpenAI.APIConnectionTimeoutError);
    await service.upstream.abort();
    expect(await settledCall(service)).toMatchObject({ outcome: 'CLIENT_ABORTED', status_code: null });
  });

  it('leaves no call open where sixty run out at once', async () => {
    const hasty = Array.from({ length: 60 }, () => {
      service.upstream.next({ kind: 'hang' });
      return hurried.chat.completions
        .create({ ...ASK, stream: true }, { timeout: 300 })
        .catch((error: unknown) => error);
    });
    for (const error of await Promise.all(hasty)) expect(error).toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
    let rows: Awaited<ReturnType<typeof ledgerOf>> = [];
    await eventually(async () => {
      rows = await ledgerOf(service);
      return rows.every(({ state }) => state === 'SETTLED');
    });
    for (const { outcome } of rows) expect(outcome).toBe('CLIENT_ABORTED');
  });
});
