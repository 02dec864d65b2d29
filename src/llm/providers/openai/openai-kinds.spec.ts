/** The kinds that speak OpenAI's dialect with words of their own: what goes out, and how answers are read. */
import { OpenaiUpstream, type UpstreamRequest } from '../../../../test/support/openai-upstream.js';
import { OutboundHttp } from '../../../platform/outbound/index.js';
import { Fault } from '../../../platform/errors/index.js';
import { Tokenizer } from '../../tokens/tokenizer.js';
import { PROVIDER_FACTORIES } from '../provider-factories.js';
import type { ProviderConnection } from '../provider-factory.js';
import type { AnswerSink, ProviderFailure } from '../provider.js';
import { parseChatRequest } from '../requests/chat-request.js';

const TIMEOUTS = { firstByteTimeoutMs: 5000, idleTimeoutMs: 5000, totalTimeoutMs: 5000 };
const MESSAGES = [{ role: 'user', content: 'Hi.' }];

let upstream: OpenaiUpstream;
let http: OutboundHttp;

beforeEach(async () => {
  upstream = await OpenaiUpstream.start();
  http = new OutboundHttp({ connectTimeoutMs: 5000 });
});

afterEach(async () => {
  await http.onApplicationShutdown();
  await upstream.close();
});

/** The whole answer as it was handed on, or why it is missing. */
function ask(connection: Partial<ProviderConnection>, body: string): Promise<string | ProviderFailure> {
  const whole: ProviderConnection = {
    name: 'one',
    kind: 'openai',
    baseUrl: null,
    policy: 'operator',
    credentials: { apiKey: 'the-key' },
    settings: {},
    models: [],
    ...connection,
  };
  const provider = PROVIDER_FACTORIES[whole.kind]!(whole, { http, tokenizer: new Tokenizer(), timeouts: TIMEOUTS });
  return new Promise((resolve) => {
    let streamed = '';
    const sink: AnswerSink = {
      onJson: (_headers, answer) => resolve(answer.toString()),
      onStreamData: (_headers, events) => void (streamed += events.toString()),
      onStreamEnd: () => resolve(streamed),
      onFailure: resolve,
      onLate: () => false,
    };
    provider.start('chat', parseChatRequest(Buffer.from(body)), sink);
  });
}

const chat = (more: object = {}): string => JSON.stringify({ model: 'gpt-4o', messages: MESSAGES, ...more });
const origin = (): string => new URL(upstream.baseUrl).origin;
const sent = (): UpstreamRequest => upstream.requests.at(-1)!;

describe('Azure OpenAI', () => {
  const azure = (baseUrl: string, settings: ProviderConnection['settings'] = {}): Partial<ProviderConnection> => ({
    kind: 'azure_openai',
    baseUrl,
    settings,
  });

  it.each<[string, string, ProviderConnection['settings'], string]>([
    ['the model', '', {}, '/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21'],
    [
      'the model, by a version',
      '/openai/',
      { apiVersion: '2025-01-01-preview' },
      '/openai/deployments/gpt-4o/chat/completions?api-version=2025-01-01-preview',
    ],
    [
      'a deployment',
      '',
      { deployments: { 'gpt-4o': 'ours' } },
      '/openai/deployments/ours/chat/completions?api-version=2024-10-21',
    ],
  ])(
    'names %s in the path, the version behind it, and the key in a header of its own',
    async (_what, path, settings, expected) => {
      expect(typeof (await ask(azure(origin() + path, settings), chat()))).toBe('string');
      const { path: asked, headers, body } = sent();
      expect(asked).toBe(expected);
      expect(headers['api-key']).toBe('the-key');
      expect(headers).not.toHaveProperty('authorization');
      expect(body.toString()).toBe(chat());
    },
  );

  it('takes the newer address, where the deployment is the model', async () => {
    await ask(azure(`${origin()}/openai/v1`, { deployments: { 'gpt-4o': 'ours' } }), chat({ seed: 1 }));
    expect(sent().path).toBe('/openai/v1/chat/completions');
    expect(JSON.parse(sent().body.toString())).toEqual({ model: 'ours', messages: MESSAGES, seed: 1 });
  });

  it.each(['..', '.', 'a/b', 'a?b', '%2e%2e'])(
    'sends nothing for the model %s, which is not a deployment',
    async (model) => {
      const failing = (): Promise<unknown> => ask(azure(origin()), chat({ model }));
      await expect(failing()).rejects.toThrow(Fault);
      await expect(failing()).rejects.toMatchObject({ kind: 'invalid_input', fields: [{ field: 'model' }] });
      expect([...upstream.requests, ...upstream.otherRequests]).toEqual([]);
    },
  );

  it('hands on a stream whose first event says how the prompt was filtered', async () => {
    const pieces = [
      { choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
      { choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: null }] },
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    ];
    upstream.next({ kind: 'stream', pieces });
    const said = await ask(azure(origin()), chat({ stream: true }));
    expect(said).toContain('prompt_filter_results');
    expect(said).toMatch(/data: \[DONE\]\n\n$/);
  });
});

describe('Mistral', () => {
  const mistral = (): Partial<ProviderConnection> => ({ kind: 'mistral', baseUrl: upstream.baseUrl });
  const asked = async (body: string): Promise<string> => {
    expect(typeof (await ask(mistral(), body))).toBe('string');
    return sent().body.toString();
  };

  it('gets the fields that it calls otherwise by its own names, and every other byte as it was', async () => {
    const tail = '"messages":[{"role":"user","content":"H\\u0069"}],"big":12345678901234567890';
    expect(await asked(`{"model":"m", "seed" : 7,"max_completion_tokens":5,"tool_choice":"required",${tail}}`)).toBe(
      `{"model":"m","random_seed":7,"max_tokens":5,"tool_choice":"any",${tail}}`,
    );
    expect(await asked(` {"model":"m",${tail}}`)).toBe(` {"model":"m",${tail}}`);
  });

  it('gets one limit where the caller wrote two', async () => {
    const both = { model: 'm', messages: MESSAGES, max_tokens: 9 };
    expect(JSON.parse(await asked(JSON.stringify({ ...both, max_completion_tokens: 5 })))).toEqual({
      ...both,
      max_tokens: 5,
    });
    expect(JSON.parse(await asked(JSON.stringify({ ...both, max_completion_tokens: null })))).toEqual(both);
  });

  it('is not asked for usage, which it reports unasked', async () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
    const piece = { choices: [{ index: 0, delta: { content: 'Hi' }, finish_reason: 'stop' }], usage };
    for (const more of [{}, { stream_options: { include_usage: true } }]) {
      upstream.next({ kind: 'stream', pieces: [piece] });
      const body = await asked(JSON.stringify({ model: 'm', messages: MESSAGES, stream: true, ...more }));
      expect(body).not.toContain('stream_options');
    }
  });

  const THOUGHT = { type: 'thinking', thinking: [{ type: 'text', text: 'Hm. ' }, 'Yes.'] };
  const choice = (said: object, reason: string | null): object => ({ index: 0, ...said, finish_reason: reason });
  const answered = async (body: object): Promise<object> => {
    upstream.next({ kind: 'body', body: { id: 'c', big: 1, ...body } });
    return JSON.parse((await ask(mistral(), chat())) as string) as object;
  };

  it('thinks in a field of its own, and stops at its context’s end as at any limit', async () => {
    const content = [THOUGHT, { type: 'text', text: 'Rome' }, { type: 'reference', reference_ids: [1] }];
    const message = { role: 'assistant', content };
    const answer = await answered({ choices: [choice({ message }, 'model_length')] });
    expect(answer).toEqual({
      id: 'c',
      big: 1,
      choices: [choice({ message: { role: 'assistant', content: 'Rome', reasoning_content: 'Hm. Yes.' } }, 'length')],
    });
    const calls = [{ id: 'x', function: { name: 'f', arguments: '{}' } }];
    const calling = { role: 'assistant', content: [THOUGHT], tool_calls: calls };
    expect(await answered({ choices: [choice({ message: calling }, 'tool_calls')] })).toMatchObject({
      choices: [{ message: { content: null, reasoning_content: 'Hm. Yes.', tool_calls: calls } }],
    });
  });

  it('thinks in pieces of a stream too, and every other event stays as it was', async () => {
    const plain = 'data: {"choices":[{"index":0,"delta":{"content":"Ro\\u006de"},"finish_reason":null}]}\n\n';
    const pieces = [
      { choices: [choice({ delta: { role: 'assistant', content: '' } }, null)] },
      { choices: [choice({ delta: { content: [THOUGHT] } }, null)] },
      plain,
      { choices: [choice({ delta: { content: '' } }, 'model_length')], usage: { prompt_tokens: 1 } },
    ];
    upstream.next({ kind: 'stream', pieces });
    const said = (await ask(mistral(), chat({ stream: true }))) as string;
    expect(said).toContain(plain);
    const events = [...said.matchAll(/^data: (\{.*)$/gm)].map(([, json]) => JSON.parse(json!) as object);
    expect(events).toEqual([
      pieces[0],
      { choices: [choice({ delta: { reasoning_content: 'Hm. Yes.' } }, null)] },
      JSON.parse(plain.slice(5)),
      { choices: [choice({ delta: { content: '' } }, 'length')], usage: { prompt_tokens: 1 } },
    ]);
  });

  it('gets no thoughts back, since it refuses the field in which they went out', async () => {
    const user = { role: 'user', content: 'Hi.' };
    const messages = [user, { role: 'assistant', content: 'Rome', reasoning_content: 'Hm.' }, user];
    const body = JSON.parse(await asked(chat({ messages }))) as { messages: object[] };
    expect(body.messages).toEqual([user, { role: 'assistant', content: 'Rome' }, user]);
  });

  it('has its own words told where it refuses a field', async () => {
    const detail = [{ type: 'extra_forbidden', loc: ['body', 'logit_bias'], msg: 'Extra inputs are not permitted' }];
    upstream.next({
      kind: 'body',
      status: 422,
      body: { object: 'error', message: { detail }, type: 'invalid_request_error' },
    });
    expect(await ask(mistral(), chat({ logit_bias: {} }))).toMatchObject({
      error: { status: 422, body: { error: { message: 'Extra inputs are not permitted', param: 'logit_bias' } } },
    });
  });
});
