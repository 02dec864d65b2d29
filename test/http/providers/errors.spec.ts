/**
 * Failures of a provider, of each kind: the official client throws the class of OpenAI's error, the ledger is charged exactly
 * what was produced, and no answer or log has the provider's key.
 */
import OpenAI from 'openai';
import { GONE, KindWorld, type Charge, type KindPlace } from '../../support/kind-world.js';
import { KINDS, type Kind } from '../../support/kinds.js';
import { startService, type TestService } from '../../support/service.js';
import type { Answerer, WireAnswer } from '../../support/wire-upstream.js';

let service: TestService;
let world: KindWorld;

beforeAll(async () => {
  service = await startService({
    settings: {
      mode: 'development',
      outboundAllowCidrs: ['127.0.0.0/8'],
      ...{ firstByteTimeoutMs: 2_000, idleTimeoutMs: 2_000, totalTimeoutMs: 6_000 },
    },
  });
  world = await KindWorld.start(service);
});

afterAll(async () => {
  // The client's pool keeps unused connections open; the framework would wait for them.
  const server = service.app.getHttpServer();
  server.close();
  server.closeAllConnections();
  await world.stop();
  await service.stop();
});

const FORMS = ['JSON', 'stream'] as const;
type Form = (typeof FORMS)[number];
type ApiError = InstanceType<typeof OpenAI.APIError>;
type ErrorClass = new (...args: never[]) => ApiError;

interface Failed {
  readonly error: ApiError;
  /** The whole body as it arrived. */
  readonly body: string;
  readonly headers: Headers;
  readonly charge: Charge;
}

let calls = 0;

/** A call that has to fail. @param onTold called once its caller has the error */
async function failed(
  at: KindPlace,
  form: Form,
  model = at.kind.model,
  onTold = (): void => undefined,
): Promise<Failed> {
  const requestId = `failing-${(calls += 1)}`;
  let answer: Response | null = null;
  let body = '';
  const client = new OpenAI({
    baseURL: `${service.baseUrl}/v1`,
    apiKey: at.key,
    maxRetries: 0,
    fetch: async (url, init) => {
      answer = await fetch(url, init);
      void read(answer.clone(), (text) => (body += text));
      return answer;
    },
  });
  const messages = [{ role: 'user' as const, content: 'Say something.' }];
  const headers = { 'x-request-id': requestId };
  const ending = await (async (): Promise<unknown> => {
    if (form === 'JSON') return client.chat.completions.create({ model, messages }, { headers });
    for await (const _chunk of await client.chat.completions.create({ model, messages, stream: true }, { headers }));
    return 'a whole stream';
  })().catch((error: unknown) => error);
  onTold();
  expect(ending).toBeInstanceOf(OpenAI.APIError);
  return {
    error: ending as ApiError,
    body,
    headers: (answer as Response | null)!.headers,
    charge: await at.chargeOf(requestId),
  };
}

/** A client stops reading at the error that it throws. */
async function read({ body }: Response, onText: (text: string) => void): Promise<void> {
  try {
    for await (const piece of body!.pipeThrough(new TextDecoderStream())) onText(piece);
  } catch {
    // The text that arrived until then is the result.
  }
}

interface Told {
  readonly ofClass: ErrorClass;
  readonly status: number | undefined;
  readonly code?: string | null;
  readonly type?: string;
  readonly retryAfter?: string | null;
}

function expectTold(at: KindPlace, { error, body, headers }: Failed, told: Told): void {
  const { ofClass, retryAfter = null, ...fields } = told;
  expect(error.constructor).toBe(ofClass);
  expect(error).toMatchObject(fields);
  expect(headers.get('retry-after')).toBe(retryAfter);
  expect(error.message).toMatch(/\w/);
  expect(body).not.toBe('');
  for (const secret of [at.kind.secret, 'nginx', '127.0.0.1']) expect(body).not.toContain(secret);
}

const FREE = { requests: 0, input_tokens: 0, output_tokens: 0, estimated: false };

/** The types that OpenAI gives to errors of kinds without names for them. */
function ownTypeOf(status: number): string {
  if (status === 429) return 'rate_limit_error';
  return status >= 500 ? 'server_error' : 'invalid_request_error';
}

/** The caller can't fix a provider's complaint about our key, and so does not get it. */
const OF_OUR_KEY = {
  ofClass: OpenAI.InternalServerError,
  told: { ofClass: OpenAI.InternalServerError, status: 502, code: 'provider_authentication_failed' },
};

interface Refusal {
  readonly status: number;
  /** Absent: passed on unchanged. */
  readonly told?: Told;
  readonly ofClass: ErrorClass;
  readonly retryAfter?: number;
}

const REFUSALS: readonly Refusal[] = [
  { status: 400, ofClass: OpenAI.BadRequestError },
  { status: 401, ...OF_OUR_KEY },
  { status: 403, ...OF_OUR_KEY },
  { status: 404, ofClass: OpenAI.NotFoundError },
  { status: 408, ofClass: OpenAI.APIError },
  { status: 409, ofClass: OpenAI.ConflictError },
  { status: 413, ofClass: OpenAI.APIError },
  { status: 422, ofClass: OpenAI.UnprocessableEntityError },
  { status: 429, ofClass: OpenAI.RateLimitError, retryAfter: 7 },
  { status: 500, ofClass: OpenAI.InternalServerError },
  { status: 503, ofClass: OpenAI.InternalServerError, retryAfter: 9 },
  { status: 529, ofClass: OpenAI.InternalServerError, retryAfter: 11 },
];

const html = '<html><body>nginx: Bad Gateway</body></html>';
const page = (status: number): WireAnswer => ({ status, headers: { 'content-type': 'text/html' }, chunks: [html] });
const empty = (status: number): WireAnswer => ({ status, headers: { 'content-length': '0' }, chunks: [] });
const BROKEN = { ofClass: OpenAI.InternalServerError, status: 502, code: 'upstream_broken' };

/** Texts that are not answers. None of them is charged. */
const NO_ANSWERS: readonly (readonly [what: string, answer: WireAnswer, told: Told, charge: Partial<Charge>])[] = [
  ['a page of HTML', page(200), BROKEN, { outcome: 'UPSTREAM_BROKEN', status_code: 200 }],
  ['an empty body', empty(200), BROKEN, { outcome: 'UPSTREAM_BROKEN', status_code: 200 }],
  [
    'an error that is a page of HTML',
    page(503),
    { ofClass: OpenAI.InternalServerError, status: 503, type: 'server_error' },
    { outcome: 'UPSTREAM_ERROR', status_code: 503 },
  ],
  [
    'an error with an empty body',
    empty(500),
    { ofClass: OpenAI.InternalServerError, status: 500, type: 'server_error' },
    { outcome: 'UPSTREAM_ERROR', status_code: 500 },
  ],
];

const SAID = 'All of this was said before it broke off.';

/** The first part of an answer, with words in it. */
function firstPart(kind: Kind, rest: Partial<WireAnswer>): Answerer {
  return (request) => {
    const whole = kind.says({ text: SAID })(request);
    const [first] = whole.chunks;
    const chunks =
      whole.chunks.length === 1 && typeof first === 'string'
        ? [first.slice(0, first.indexOf(' before'))]
        : whole.chunks.slice(0, Math.ceil(whole.chunks.length * 0.6));
    return { ...whole, chunks, ...rest };
  };
}

/** The part of a broken answer that arrived is charged, and the client must not retry by itself and pay twice. */
function expectChargedForPart({ charge, headers }: Failed, form: Form, outcome: string): void {
  expect(charge).toMatchObject({ outcome, status_code: 200, requests: 1, estimated: true });
  expect(charge.input_tokens).toBeGreaterThan(0);
  expect(charge.output_tokens).toBeGreaterThan(2);
  expect(charge.output_tokens).toBeLessThan(12);
  expect(headers.get('x-should-retry')).toBe(form === 'JSON' ? 'false' : null);
}

describe.each(KINDS)('$kind', (kind) => {
  let at: KindPlace;

  beforeEach(() => {
    at = world.at(kind);
    at.upstream.reset();
  });

  it.each(REFUSALS)(
    '$status is reported as what it is, and costs nothing',
    async ({ status, told, ofClass, retryAfter }) => {
      const own: Told = {
        ...{ ofClass, status, type: kind.typeOf(status) ?? ownTypeOf(status) },
        ...(retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }),
      };
      for (const form of FORMS) {
        at.upstream.next(kind.refuses(status, `It says so, with ${kind.secret}.`, retryAfter));
        const failure = await failed(at, form);
        expectTold(at, failure, told ?? own);
        if (told === undefined) expect(failure.error.message).toContain('It says so, with [redacted].');
        expect(failure.charge).toEqual({ ...FREE, outcome: 'UPSTREAM_ERROR', status_code: status });
      }
    },
  );

  it.each(NO_ANSWERS)('%s is reported as a failure, and costs nothing', async (_what, answer, told, charge) => {
    for (const form of FORMS) {
      at.upstream.next(answer);
      const failure = await failed(at, form);
      expectTold(at, failure, told);
      expect(failure.charge).toEqual({ ...FREE, ...charge });
    }
  });

  it("a server that can't be reached is reported as such, and costs nothing", async () => {
    for (const form of FORMS) {
      const failure = await failed(at, form, GONE);
      expectTold(at, failure, { ofClass: OpenAI.InternalServerError, status: 502, code: 'upstream_unreachable' });
      expect(failure.charge).toEqual({ ...FREE, outcome: 'UPSTREAM_ERROR', status_code: null });
    }
  });

  it('a connection that is reset before a byte is reported as such, and costs nothing', async () => {
    for (const form of FORMS) {
      // A connection that was used before is tried once more.
      for (let time = 0; time < 2; time += 1) at.upstream.next({ chunks: [], reset: true });
      const failure = await failed(at, form);
      expectTold(at, failure, BROKEN);
      expect(failure.charge).toEqual({ ...FREE, outcome: 'UPSTREAM_BROKEN', status_code: null });
      at.upstream.reset();
    }
  });

  it.each(FORMS)(
    'a connection that is reset in the middle is reported, and the received part is charged: %s',
    async (form) => {
      at.upstream.next(firstPart(kind, { cut: true }));
      const failure = await failed(at, form);
      expectTold(at, failure, form === 'JSON' ? BROKEN : { ...BROKEN, ofClass: OpenAI.APIError, status: undefined });
      expectChargedForPart(failure, form, 'UPSTREAM_BROKEN');
    },
  );

  it.each(FORMS)(
    'an answer that ends in the middle is reported, and the received part is charged: %s',
    async (form) => {
      at.upstream.next(firstPart(kind, {}));
      const failure = await failed(at, form);
      expectTold(at, failure, form === 'JSON' ? BROKEN : { ...BROKEN, ofClass: OpenAI.APIError, status: undefined });
      expectChargedForPart(failure, form, 'UPSTREAM_BROKEN');
    },
  );
});

const TIMED_OUT = { ofClass: OpenAI.InternalServerError, status: 504, code: 'upstream_timeout' };

/** All kinds at once, since each waits for the same time-out. */
const ofEach = async (test: (at: KindPlace, form: Form) => Promise<void>, form: Form): Promise<void> => {
  for (const { upstream } of world.places) upstream.reset();
  await Promise.all(world.places.map((at) => test(at, form)));
};

describe('every kind', () => {
  it.each(FORMS)('that never answers is reported as a time-out, and costs nothing: %s', (form) =>
    ofEach(async (at) => {
      // A late answer would be charged: the provider is read until it is certain that none comes.
      const told = Promise.withResolvers<undefined>();
      at.upstream.next({ chunks: [], after: told.promise, reset: true });
      const failure = await failed(at, form, at.kind.model, () => told.resolve(undefined));
      expectTold(at, failure, TIMED_OUT);
      expect(failure.headers.get('x-should-retry')).toBe('false');
      expect(failure.charge).toEqual({ ...FREE, outcome: 'UPSTREAM_TIMEOUT', status_code: null });
    }, form),
  );

  it.each(FORMS)('that stops sending is reported as a time-out, and the received part is charged: %s', (form) =>
    ofEach(async (at) => {
      at.upstream.next(firstPart(at.kind, { stall: true }));
      const failure = await failed(at, form);
      expectTold(
        at,
        failure,
        form === 'JSON' ? TIMED_OUT : { ...TIMED_OUT, ofClass: OpenAI.APIError, status: undefined },
      );
      expectChargedForPart(failure, form, 'UPSTREAM_TIMEOUT');
    }, form),
  );
});
