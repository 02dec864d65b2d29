import {
  DONE,
  UPSTREAM_MODEL,
  completion,
  eventOf,
  streamPieces,
  usageChunk,
  usageOf,
} from '../../support/openai-upstream.js';
import { startService, type Answer, type MadeKey, type Org, type TestService } from '../../support/service.js';
import { clearLedger, ledgerOf, settledCall, settledCalls } from '../ledger.js';
import { openaiError } from '../refusals.js';

let service: TestService;
let org: Org;
let key: MadeKey;

beforeAll(async () => {
  service = await startService({ settings: { dummyProvider: 'on' } });
  org = await service.createOrg('founder');
  key = await service.createKey(org);
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const MESSAGES = [{ role: 'user', content: 'Say hello to everybody, please.' }];

const post = (fields: object = {}, secret = key.key): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { authorization: `Bearer ${secret}` },
    body: { model: UPSTREAM_MODEL, messages: MESSAGES, ...fields },
  });

describe('tokens', () => {
  const words = ['one', ' two', ' three'];
  const stream = (...pieces: unknown[]) => ({ kind: 'stream', pieces }) as const;
  const withUsage = (usage: unknown) =>
    ({ kind: 'body', body: { ...completion({ words, usage: null }), usage } }) as const;

  it.each([
    ['a report', withUsage(usageOf(7, 5)), false, 7, 5],
    ['a report without output', withUsage({ prompt_tokens: 7, total_tokens: 7 }), false, 7, 0],
    ['a stream’s report', stream(...streamPieces({ words, usage: usageOf(7, 5) })), true, 7, 5],
    [
      'a report in the last chunk that says something',
      stream({ ...streamPieces({ words })[1], usage: usageOf(7, 5) }),
      true,
      7,
      5,
    ],
    [
      'two reports of which the last counts',
      stream(usageChunk(usageOf(7, 1)), ...streamPieces({ words }), usageChunk(usageOf(7, 5))),
      true,
      7,
      5,
    ],
    [
      'a report after every chunk',
      stream(...[1, 2, 5].map((n) => ({ ...streamPieces({ words })[1], usage: usageOf(7, n) }))),
      true,
      7,
      5,
    ],
  ])('are the provider’s own numbers with %s', async (_what, answer, streamed, input, output) => {
    service.upstream.next(answer);
    await post({ stream: streamed });
    expect(await settledCall(service)).toMatchObject({
      outcome: 'OK',
      estimated: false,
      input_tokens: input,
      output_tokens: output,
    });
  });

  it.each([
    ['there is no report', withUsage(undefined), false],
    ['the report is null', withUsage(null), false],
    ['the report makes no sense', withUsage({ prompt_tokens: -7, completion_tokens: '5' }), false],
    ['a stream has no report', stream(...streamPieces({ words })), true],
    [
      'a stream’s report makes no sense',
      stream(...streamPieces({ words }), { choices: [], usage: { prompt_tokens: 1.5 } }),
      true,
    ],
  ])('are counted here where %s, and marked as estimated', async (_what, answer, streamed) => {
    service.upstream.next(answer);
    await post({ stream: streamed });
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'OK', estimated: true });
    // Eight words of input with the framing of a chat; three words of output.
    expect(row.input_tokens).toBeGreaterThanOrEqual(7);
    expect(row.input_tokens).toBeLessThan(40);
    expect(row.output_tokens).toBeGreaterThanOrEqual(3);
    expect(row.output_tokens).toBeLessThan(10);
    expect(row.reserved_input_tokens).toBeGreaterThanOrEqual(row.input_tokens);
  });

  it('are requested from the provider for every stream, and only for streams', async () => {
    await post();
    await post({ stream: true });
    const [plain, streamed] = service.upstream.requests.map(
      ({ body }) => JSON.parse(body.toString()) as Record<string, unknown>,
    );
    expect(plain).not.toHaveProperty('stream_options');
    expect(streamed).toMatchObject({ stream_options: { include_usage: true } });
  });

  it('are passed on where the stream’s last chunk holds them beside text, requested or not', async () => {
    const last = { ...streamPieces({ words })[1], usage: usageOf(7, 5) };
    service.upstream.next(stream(last));
    expect((await post({ stream: true })).text).toBe(eventOf(last) + DONE);
  });
});

describe('the dummy provider', () => {
  interface Completion {
    readonly choices: readonly { readonly message: Record<string, unknown>; readonly finish_reason: string }[];
    readonly usage: Record<string, number>;
  }
  const ask = async (fields: object = {}): Promise<Completion> => {
    const answer = await post({ model: 'dummy', ...fields });
    expect(answer.status).toBe(200);
    return answer.json<Completion>();
  };

  it('gives the same answer to the same question, with the same counts, streamed or not, and the ledger agrees', async () => {
    const first = await ask();
    const second = await ask();
    expect(second.choices).toEqual(first.choices);
    expect(second.usage).toEqual(first.usage);
    const { text } = await post({ model: 'dummy', stream: true, stream_options: { include_usage: true } });
    const events = text.split('\n\n').filter((event) => event !== '' && event !== DONE.trim());
    const chunks = events.map(
      (event) =>
        JSON.parse(event.slice('data: '.length)) as { choices: { delta: { content?: string } }[]; usage: unknown },
    );
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
      first.choices[0]!.message['content'],
    );
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: first.usage });
    expect(text.endsWith(DONE)).toBe(true);
    for (const row of await settledCalls(service, 3)) {
      expect(row).toMatchObject({ provider: 'dummy', model: 'dummy', outcome: 'OK', estimated: false });
      expect(usageOf(row.input_tokens, row.output_tokens)).toEqual(first.usage);
    }
    expect(service.upstream.requests).toEqual([]);
  });

  it('calls the required tool, fills in a schema, and stops at its limit', async () => {
    const tools = [
      {
        type: 'function',
        function: {
          name: 'weather',
          parameters: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
        },
      },
    ];
    const called = await ask({ tools, tool_choice: 'required' });
    expect(called.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ type: 'function', function: { name: 'weather' } }] },
    });
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    };
    const filled = await ask({ response_format: { type: 'json_schema', json_schema: { name: 'place', schema } } });
    expect(JSON.parse(String(filled.choices[0]!.message['content']))).toEqual({ city: expect.any(String) as string });
    const cut = await ask({ max_completion_tokens: 2 });
    expect(cut.choices[0]!.finish_reason).toBe('length');
    expect(cut.usage['completion_tokens']).toBe(2);
  });
});

describe('a tenant without a provider', () => {
  it('gets 400 with the reason, and nothing goes upstream or into the ledger', async () => {
    const poor = await startService({
      database: service.database,
      issuer: service.issuer,
      upstream: service.upstream,
      settings: { peppers: service.settings.peppers, dummyProvider: 'auto' },
    });
    try {
      const other = await poor.createOrg('poor', 'Poor', { provider: false });
      const headers = { 'x-api-key': (await poor.createKey(other)).key };
      const body = { model: UPSTREAM_MODEL, messages: MESSAGES };
      for (const answer of [
        await poor.call('POST', '/v1/chat/completions', { headers, body }),
        await poor.call('POST', '/v1/chat/completions', { headers, body: { ...body, model: 'dummy', stream: true } }),
        await poor.call('GET', '/v1/models', { headers }),
        await poor.call('GET', `/v1/models/${UPSTREAM_MODEL}`, { headers }),
      ]) {
        expect(openaiError(answer, 400)).toMatchObject({
          message: expect.stringMatching(
            /^no provider configured: add one with .*providers:write.*PLATFORM_PROVIDER_TENANTS$/,
          ) as string,
          code: 'no_provider_configured',
        });
      }
      expect([...service.upstream.requests, ...service.upstream.otherRequests]).toEqual([]);
      expect(await ledgerOf(service)).toEqual([]);
    } finally {
      await poor.stop();
    }
  });
});
