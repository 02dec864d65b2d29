/** Responses of translated providers in a loop of tools: a provider's signed parts come back to it unchanged. */
import OpenAI from 'openai';
import { anthropicSays, toolUse } from '../../support/anthropic-wire.js';
import { googleSays } from '../../support/google-wire.js';
import { startService, type TestService } from '../../support/service.js';
import { WireUpstream, type Answerer } from '../../support/wire-upstream.js';
import { create } from '../providers/providers.js';

type Item = OpenAI.Responses.ResponseInputItem;

const TOOL = {
  type: 'function',
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
  strict: false,
} as const;

interface Kind {
  readonly kind: string;
  readonly path: string;
  readonly model: string;
  readonly says: Answerer;
  readonly callsTool: Answerer;
  /** The parts that the second turn has to send back. */
  readonly signed: readonly object[];
}

const KINDS: readonly Kind[] = [
  {
    kind: 'anthropic',
    path: '/v1',
    model: 'claude-sonnet-4-5',
    says: anthropicSays(),
    callsTool: anthropicSays({
      content: [
        { type: 'thinking', thinking: 'I should look', signature: 'EqQBCg==' },
        { type: 'redacted_thinking', data: 'EmwKAhgB' },
        { type: 'text', text: 'Let me see.' },
        toolUse('toolu_1', { city: 'Paris' }),
      ],
      stopReason: 'tool_use',
    }),
    signed: [
      { type: 'thinking', thinking: 'I should look', signature: 'EqQBCg==' },
      { type: 'redacted_thinking', data: 'EmwKAhgB' },
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } },
    ],
  },
  {
    kind: 'google',
    path: '/v1beta',
    model: 'gemini-3-pro-preview',
    says: googleSays(),
    callsTool: googleSays({
      parts: [
        { text: 'Let me see.' },
        { functionCall: { name: 'get_weather', args: { city: 'Paris' } }, thoughtSignature: 'c2lnbmVk' },
      ],
    }),
    signed: [
      { text: 'Let me see.' },
      { functionCall: { name: 'get_weather', args: { city: 'Paris' } }, thoughtSignature: 'c2lnbmVk' },
    ],
  },
];

let service: TestService;

beforeAll(async () => {
  service = await startService({ settings: { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] } });
});

afterAll(() => service.stop());

describe.each(KINDS)('$kind', ({ kind, path, model, says, callsTool, signed }) => {
  let upstream: WireUpstream;
  let client: OpenAI;

  beforeAll(async () => {
    upstream = await WireUpstream.start(says);
    const org = await service.createOrg(`founder-of-${kind}`, undefined, { provider: false });
    const { key } = await service.createKey(org);
    const baseUrl = `${upstream.origin}${path}`;
    await create(service, org, { name: 'mine', kind, baseUrl, credentials: { apiKey: 'secret' }, models: [model] });
    client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: key, maxRetries: 0 });
  });

  beforeEach(() => upstream.reset());
  afterAll(() => upstream.close());

  const asked = {
    model,
    tools: [TOOL],
    max_output_tokens: 4_096,
    reasoning: { effort: 'low' as const },
    include: ['reasoning.encrypted_content' as const],
  };
  const input: Item[] = [{ role: 'user', content: 'How is the weather in Paris?' }];
  /** The assistant's turn as the provider gets it back. */
  const sentBack = (): unknown => {
    const { messages, contents } = upstream.last.body as {
      messages?: { content: unknown }[];
      contents?: { parts: { functionCall?: { id?: string } }[] }[];
    };
    for (const part of contents?.[1]?.parts ?? []) delete part.functionCall?.id;
    return messages?.[1]?.content ?? contents?.[1]?.parts;
  };

  it.each(['JSON', 'a stream'])('continues after a tool, as %s', async (form) => {
    upstream.next(callsTool);
    const { output } =
      form === 'JSON'
        ? await client.responses.create({ ...asked, input })
        : await client.responses.stream({ ...asked, input }).finalResponse();
    const call = output.find((item) => item.type === 'function_call') as OpenAI.Responses.ResponseFunctionToolCall;
    const result = { type: 'function_call_output' as const, call_id: call.call_id, output: 'sunny' };
    const { output_text: text } = await client.responses.create({
      ...asked,
      input: [...input, ...(output as Item[]), result],
    });
    expect(text).toBe('Hello there');
    expect(sentBack()).toEqual(signed);
  });
});
