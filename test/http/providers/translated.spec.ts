/** Providers with dialects of their own, as a tenant sets them up, driven by official clients through the running service. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { anthropicError, anthropicSays, toolUse } from '../../support/anthropic-wire.js';
import { ACCOUNT, REGION, bedrockSays } from '../../support/bedrock-wire.js';
import { cohereSays } from '../../support/cohere-wire.js';
import { eventually } from '../../support/eventually.js';
import { googleSays } from '../../support/google-wire.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { WireUpstream, type Answerer } from '../../support/wire-upstream.js';
import { create } from './providers.js';

interface Kind {
  readonly kind: string;
  readonly path: string;
  readonly credentials: object;
  readonly settings?: object;
  readonly model: string;
  readonly says: Answerer;
  readonly callsTool: Answerer;
}

const INPUT = { city: 'Paris' };
const KEY = { apiKey: 'secret-of-the-provider' };

const KINDS: readonly Kind[] = [
  {
    kind: 'anthropic',
    path: '/v1',
    credentials: KEY,
    model: 'claude-sonnet-4-5',
    says: anthropicSays(),
    callsTool: anthropicSays({ content: [toolUse('toolu_1', INPUT)], stopReason: 'tool_use' }),
  },
  {
    kind: 'google',
    path: '/v1beta',
    credentials: KEY,
    model: 'gemini-2.5-flash',
    says: googleSays(),
    callsTool: googleSays({ parts: [{ functionCall: { name: 'get_weather', args: INPUT } }] }),
  },
  {
    kind: 'amazon_bedrock',
    path: '',
    credentials: ACCOUNT,
    settings: { region: REGION },
    model: 'anthropic.claude-sonnet-4-5-20250929-v1:0',
    says: bedrockSays(),
    callsTool: bedrockSays({
      content: [{ toolUse: { toolUseId: 'tooluse_1', name: 'get_weather', input: INPUT } }],
      stopReason: 'tool_use',
    }),
  },
  {
    kind: 'cohere',
    path: '/v2',
    credentials: KEY,
    model: 'command-a-03-2025',
    says: cohereSays(),
    callsTool: cohereSays({ calls: [{ id: 'call_1', input: INPUT }], finishReason: 'TOOL_CALL' }),
  },
];

let service: TestService;

beforeAll(async () => {
  service = await startService({ settings: { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] } });
});

afterAll(() => service.stop());

const messages = [{ role: 'user' as const, content: 'How is the weather in Paris?' }];

describe.each(KINDS)('$kind', ({ kind, path, credentials, settings = {}, model, says, callsTool }) => {
  let upstream: WireUpstream;
  let org: Org;
  let key: string;

  beforeAll(async () => {
    upstream = await WireUpstream.start(says);
    org = await service.createOrg(`founder-of-${kind}`, undefined, { provider: false });
    ({ key } = await service.createKey(org));
    await create(service, org, {
      name: 'mine',
      kind,
      baseUrl: `${upstream.origin}${path}`,
      credentials,
      settings,
      models: [model],
    });
  });

  beforeEach(() => upstream.reset());
  afterAll(() => upstream.close());

  const openai = (): OpenAI => new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
  const aiSdk = (): ReturnType<ReturnType<typeof createOpenAI>['chat']> =>
    createOpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key }).chat(model);

  it('answers the openai client, whole and in a stream, and the ledger has what the provider reported', async () => {
    const whole = await openai().chat.completions.create({ model, messages });
    expect(whole.choices[0]).toMatchObject({ message: { content: 'Hello there' }, finish_reason: 'stop' });
    const stream = await openai().chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let said = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      said += chunk.choices[0]?.delta.content ?? '';
      usage ??= chunk.usage;
    }
    expect({ said, usage }).toEqual({ said: 'Hello there', usage: whole.usage });
    const { prompt_tokens: input, completion_tokens: output } = whole.usage ?? {};
    await eventually(async () => {
      const rows = await service.sql(
        `SELECT outcome, provider, model, estimated, input_tokens::int, output_tokens::int FROM usage_records
         WHERE tenant_id = $1`,
        [org.tenantId],
      );
      const row = { outcome: 'OK', provider: `${kind}/mine`, model, estimated: false };
      expect(rows).toEqual(Array(2).fill({ ...row, input_tokens: input, output_tokens: output }));
      return true;
    });
  });

  it('carries a tool loop of the AI SDK', async () => {
    upstream.next(callsTool);
    const { text, steps } = await generateText({
      model: aiSdk(),
      messages,
      tools: {
        get_weather: tool({
          inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
          execute: ({ city }) => `sunny in ${city}`,
        }),
      },
      stopWhen: stepCountIs(3),
    });
    expect(text).toBe('Hello there');
    expect(steps[0]?.toolCalls).toMatchObject([{ toolName: 'get_weather', input: INPUT }]);
    expect(upstream.last.rawBody).toContain('sunny in Paris');
  });

  it('streams to the AI SDK', async () => {
    const { textStream, finishReason } = streamText({ model: aiSdk(), messages });
    let said = '';
    for await (const piece of textStream) said += piece;
    expect([said, await finishReason]).toEqual(['Hello there', 'stop']);
  });
});

it("tells the provider's own error with its status, and charges nothing", async () => {
  const upstream = await WireUpstream.start(anthropicSays());
  const org = await service.createOrg('founder-of-errors', undefined, { provider: false });
  const { key } = await service.createKey(org);
  const models = ['claude-sonnet-4-5'];
  const wishes = { name: 'mine', kind: 'anthropic', baseUrl: `${upstream.origin}/v1`, credentials: KEY, models };
  await create(service, org, wishes);
  const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
  upstream.next(anthropicError(429, 'rate_limit_error', 'Too many.', { 'retry-after': '7' }));
  const asked = client.chat.completions.create({ model: 'claude-sonnet-4-5', messages });
  await expect(asked).rejects.toMatchObject({ status: 429, message: expect.stringContaining('Too many.') as string });
  await expect(asked.catch((error: { headers: Headers }) => error.headers.get('retry-after'))).resolves.toBe('7');
  const unsupported = client.chat.completions.create({ model: 'claude-sonnet-4-5', messages, n: 2 });
  await expect(unsupported).rejects.toMatchObject({ status: 400, param: 'n', code: 'unsupported_by_provider' });
  expect(upstream.requests).toHaveLength(1);
  await upstream.close();
});
