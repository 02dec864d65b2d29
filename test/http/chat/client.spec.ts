/** The official client with only `baseURL` and `apiKey` set. */
import OpenAI from 'openai';
import { UPSTREAM_MODEL, completion, streamPieces, usageOf } from '../../support/openai-upstream.js';
import { startService, type TestService } from '../../support/service.js';
import { clearLedger, settledCall } from '../ledger.js';

const MESSAGES: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Say hello.' }];
const ASK = { model: UPSTREAM_MODEL, messages: MESSAGES };

let service: TestService;
let client: OpenAI;

beforeAll(async () => {
  service = await startService();
  const { key } = await service.createKey(await service.createOrg('founder'));
  client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key });
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

/** The parsed bodies that the upstream received. */
const asked = (): Record<string, unknown> =>
  JSON.parse(service.upstream.requests.at(-1)!.body.toString()) as Record<string, unknown>;

describe('chat.completions.create', () => {
  it('gives the completion, usage and request id', async () => {
    const { data, request_id: requestId } = await client.chat.completions.create(ASK).withResponse();
    expect(data.choices[0]!.message.content).toBe('Hello from the upstream.');
    expect(data.usage).toEqual(usageOf(9, 12));
    expect(requestId).toMatch(/^req_/);
    expect(await settledCall(service)).toMatchObject({
      outcome: 'OK',
      input_tokens: 9,
      output_tokens: 12,
      request_id: requestId,
    });
  });

  it('gives a stream that can be iterated over to its end', async () => {
    let text = '';
    let finish: string | null = null;
    for await (const chunk of await client.chat.completions.create({ ...ASK, stream: true })) {
      expect(chunk.choices).toHaveLength(1);
      text += chunk.choices[0]!.delta.content ?? '';
      finish = chunk.choices[0]!.finish_reason ?? finish;
    }
    expect(text).toBe('Hello from the upstream.');
    expect(finish).toBe('stop');
    expect(await settledCall(service)).toMatchObject({
      outcome: 'OK',
      streamed: true,
      input_tokens: 9,
      output_tokens: 12,
    });
  });

  it('gives the usage chunk at the end of a stream that asked for it', async () => {
    const stream = await client.chat.completions.create({
      ...ASK,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: usageOf(9, 12) });
  });

  it('accepts images beside text, and passes them on unchanged', async () => {
    const content: OpenAI.ChatCompletionContentPart[] = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'https://images.example/cat.png', detail: 'low' } },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(200_000)}` } },
    ];
    await client.chat.completions.create({ ...ASK, messages: [{ role: 'user', content }] });
    expect(asked()['messages']).toEqual([{ role: 'user', content }]);
  });

  it.each<[string, OpenAI.ChatCompletionCreateParams['response_format']]>([
    ['json_object', { type: 'json_object' }],
    [
      'json_schema',
      {
        type: 'json_schema',
        json_schema: {
          name: 'greeting',
          strict: true,
          schema: { type: 'object', properties: { hello: { type: 'string' } } },
        },
      },
    ],
  ])('accepts response_format %s', async (_type, responseFormat) => {
    service.upstream.next({ kind: 'body', body: completion({ words: ['{"hello":"world"}'] }) });
    const answer = await client.chat.completions.create({
      ...ASK,
      ...(responseFormat === undefined ? {} : { response_format: responseFormat }),
    });
    expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ hello: 'world' });
    expect(asked()['response_format']).toEqual(responseFormat);
  });

  it('accepts every other field of OpenAI', async () => {
    const fields = {
      audio: null,
      frequency_penalty: -2,
      logit_bias: { '50256': -100 },
      logprobs: true,
      max_completion_tokens: 128,
      metadata: { job: '7' },
      modalities: ['text' as const],
      n: 2,
      parallel_tool_calls: false,
      prediction: { type: 'content' as const, content: 'x' },
      presence_penalty: 0.5,
      reasoning_effort: 'low' as const,
      seed: -42,
      service_tier: 'flex' as const,
      stop: ['\n', 'END'],
      store: false,
      temperature: 0,
      top_logprobs: 3,
      top_p: 0.1,
      user: 'user-1',
      verbosity: 'low' as const,
      web_search_options: {},
      prompt_cache_key: 'k',
      safety_identifier: 's',
    };
    await client.chat.completions.create({ ...ASK, ...fields });
    expect(asked()).toEqual({ ...ASK, ...fields });
  });
});

const TOOL: OpenAI.ChatCompletionFunctionTool = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

describe('tool calls', () => {
  const toolCall = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Köln"}' } };

  it('come in one piece', async () => {
    service.upstream.next({
      kind: 'body',
      body: {
        ...completion(),
        choices: [
          {
            index: 0,
            finish_reason: 'tool_calls',
            message: { role: 'assistant', content: null, tool_calls: [toolCall] },
          },
        ],
      },
    });
    const answer = await client.chat.completions.create({ ...ASK, tools: [TOOL], tool_choice: 'required' });
    expect(answer.choices[0]!.message.tool_calls).toEqual([toolCall]);
    expect(asked()).toMatchObject({ tools: [TOOL], tool_choice: 'required' });
  });

  it('come in pieces, and the client joins them', async () => {
    const [first, ...rest] = streamPieces({ words: [] }) as { choices: object[] }[];
    const chunk = (toolCalls: object[]): object => ({
      ...first,
      choices: [{ index: 0, delta: { tool_calls: toolCalls }, finish_reason: null }],
    });
    service.upstream.next({
      kind: 'stream',
      pieces: [
        first,
        chunk([{ index: 0, ...toolCall, function: { name: 'weather', arguments: '' } }]),
        ...['{"ci', 'ty":"K', 'öln"}'].map((text) => chunk([{ index: 0, function: { arguments: text } }])),
        ...rest.map((last) => ({ ...last, choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] })),
      ],
    });
    const final = await client.chat.completions.stream({ ...ASK, tools: [TOOL] }).finalChatCompletion();
    expect(final.choices[0]!.message.tool_calls).toMatchObject([toolCall]);
    // Nothing was reported, so the output is counted here, including the call's name and arguments.
    const row = await settledCall(service);
    expect(row).toMatchObject({ outcome: 'OK', estimated: true });
    expect(row.output_tokens).toBeGreaterThan(3);
  });

  it('are answered by a message of the tool in the next turn', async () => {
    const messages = [
      ...MESSAGES,
      { role: 'assistant', content: null, tool_calls: [toolCall] },
      { role: 'tool', tool_call_id: 'call_1', content: '21 °C' },
    ];
    await client.chat.completions.create({
      ...ASK,
      messages: messages as OpenAI.ChatCompletionMessageParam[],
      tools: [TOOL],
    });
    expect(asked()['messages']).toEqual(messages);
  });
});

describe('chat.completions.stream', () => {
  it('gives the whole completion at the end', async () => {
    const stream = client.chat.completions.stream({ ...ASK, stream_options: { include_usage: true } });
    const deltas: string[] = [];
    stream.on('content', (delta) => deltas.push(delta));
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]!.message.content).toBe('Hello from the upstream.');
    expect(deltas.join('')).toBe('Hello from the upstream.');
    expect(await stream.totalUsage()).toMatchObject(usageOf(9, 12));
  });
});

describe('models', () => {
  it('are listed as OpenAI lists them', async () => {
    const models: OpenAI.Model[] = [];
    for await (const model of client.models.list()) models.push(model);
    expect(models).toEqual([
      {
        id: UPSTREAM_MODEL,
        object: 'model',
        created: expect.any(Number) as number,
        owned_by: expect.any(String) as string,
      },
    ]);
  });

  it('are shown one by one', async () => {
    expect(await client.models.retrieve(UPSTREAM_MODEL)).toMatchObject({ id: UPSTREAM_MODEL, object: 'model' });
    await expect(client.models.retrieve('no-such-model')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe('models whose names contain more than letters', () => {
  const NAMES = [
    'meta-llama/Llama-3.3-70B',
    'ft:gpt-4o:acme::AbC1',
    'a/b/c d?e#f&g=h',
    'größe/模型',
    'llama3:8b-instruct-q4_K_M',
    '50%25',
    'models',
  ];
  let other: TestService;
  let its: OpenAI;

  beforeAll(async () => {
    const { database, issuer, upstream } = service;
    upstream.models = NAMES;
    const settings = { platformProviderTenants: [], peppers: service.settings.peppers, openaiModels: NAMES };
    other = await startService({ database, issuer, upstream, settings });
    its = new OpenAI({
      baseURL: `${other.baseUrl}/v1`,
      apiKey: (await other.createKey(await other.createOrg('collector'))).key,
    });
  });

  afterAll(() => other.stop());

  it('are listed, shown one by one, and can be called', async () => {
    const listed: string[] = [];
    for await (const model of its.models.list()) listed.push(model.id);
    expect(listed).toEqual(NAMES);
    for (const name of NAMES) {
      expect((await its.models.retrieve(name)).id).toBe(name);
      expect((await its.chat.completions.create({ ...ASK, model: name })).model).toBe(name);
    }
  });

  it('are shown where the slash is not escaped', async () => {
    const { authorization } = { authorization: `Bearer ${its.apiKey}` };
    const answer = await other.call('GET', '/v1/models/meta-llama/Llama-3.3-70B', { headers: { authorization } });
    expect(answer.json()).toMatchObject({ id: 'meta-llama/Llama-3.3-70B' });
  });
});
