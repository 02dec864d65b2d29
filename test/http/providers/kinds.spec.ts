/** Providers of every kind, as a tenant sets them up, driven by official clients through the running service. */
import { createOpenAI } from '@ai-sdk/openai';
import { HumanMessage, ToolMessage, type AIMessageChunk, type BaseMessage } from '@langchain/core/messages';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, jsonSchema, type JSONSchema7, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { eventually } from '../../support/eventually.js';
import { KindWorld, type KindPlace } from '../../support/kind-world.js';
import { KINDS, TRANSLATED, type Said } from '../../support/kinds.js';
import { startService, type TestService } from '../../support/service.js';
import type { WireAnswer } from '../../support/wire-upstream.js';
import { OpenStream } from '../open-stream.js';

let service: TestService;
let world: KindWorld;

beforeAll(async () => {
  service = await startService({ settings: { mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] } });
  world = await KindWorld.start(service);
});

afterAll(async () => {
  await world.stop();
  await service.stop();
});

const PROMPT = 'How is the weather in Paris?';
const messages = [{ role: 'user' as const, content: PROMPT }];
const INPUT = { city: 'Paris' };
const CALLS: Said = { calls: [{ id: 'call_1', input: INPUT }] };
const PARAMETERS: JSONSchema7 = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const ANSWER = {
  type: 'object',
  properties: { celsius: { type: 'number' } },
  required: ['celsius'],
  additionalProperties: false,
};

describe.each(KINDS)('$kind', (kind) => {
  const { model, says } = kind;
  let at: KindPlace;
  let baseURL: string;

  beforeEach(() => {
    at = world.at(kind);
    at.upstream.reset();
    baseURL = `${service.baseUrl}/v1`;
  });

  const openai = (): OpenAI => new OpenAI({ baseURL, apiKey: at.key, maxRetries: 0 });
  const aiSdk = (): ReturnType<ReturnType<typeof createOpenAI>['chat']> =>
    createOpenAI({ baseURL, apiKey: at.key }).chat(model);
  const langChain = (): ChatOpenAI =>
    new ChatOpenAI({ model, apiKey: at.key, maxRetries: 0, configuration: { baseURL } });

  it("answers the openai client, whole and in a stream, and the ledger has the provider's usage", async () => {
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
         WHERE tenant_id = $1 AND state = 'SETTLED'`,
        [at.org.tenantId],
      );
      const row = { outcome: 'OK', provider: `${kind.kind}/mine`, model, estimated: false };
      expect(rows).toEqual(Array(2).fill({ ...row, input_tokens: input, output_tokens: output }));
      return true;
    });
  });

  it('supports a tool loop of the AI SDK', async () => {
    at.upstream.next(says(CALLS));
    const { text, steps } = await generateText({
      model: aiSdk(),
      messages,
      tools: {
        get_weather: tool({
          inputSchema: jsonSchema<{ city: string }>(PARAMETERS),
          execute: ({ city }) => `sunny in ${city}`,
        }),
      },
      stopWhen: stepCountIs(3),
    });
    expect(text).toBe('Hello there');
    expect(steps[0]?.toolCalls).toMatchObject([{ toolName: 'get_weather', input: INPUT }]);
    expect(at.upstream.last.rawBody).toContain('sunny in Paris');
  });

  it('streams to the AI SDK', async () => {
    const { textStream, finishReason } = streamText({ model: aiSdk(), messages });
    let said = '';
    for await (const piece of textStream) said += piece;
    expect([said, await finishReason]).toEqual(['Hello there', 'stop']);
  });

  it('answers LangChain, whole and in a stream, with the same usage', async () => {
    const whole = await langChain().invoke(PROMPT);
    expect([whole.text, whole.response_metadata['finish_reason']]).toEqual(['Hello there', 'stop']);
    let streamed = null;
    for await (const chunk of await langChain().stream(PROMPT))
      streamed = streamed === null ? chunk : streamed.concat(chunk);
    expect(streamed?.text).toBe('Hello there');
    const { input_tokens: input, output_tokens: output } = whole.usage_metadata!;
    expect(input > 100 && output > 30).toBe(true);
    expect(streamed?.usage_metadata).toMatchObject({ input_tokens: input, output_tokens: output });
  });

  it.each([false, true])('supports a tool loop of LangChain (stream: %s)', async (isStreamed) => {
    const weather = { type: 'function', function: { name: 'get_weather', parameters: PARAMETERS } };
    const bound = langChain().bindTools([weather]);
    const ask = async (asked: BaseMessage[]): Promise<AIMessageChunk> => {
      if (!isStreamed) return bound.invoke(asked);
      let whole: AIMessageChunk | null = null;
      for await (const chunk of await bound.stream(asked)) whole = whole === null ? chunk : whole.concat(chunk);
      return whole!;
    };
    at.upstream.next(says(CALLS));
    const asked: BaseMessage[] = [new HumanMessage(PROMPT)];
    const first = await ask(asked);
    expect(first.tool_calls).toMatchObject([{ name: 'get_weather', args: INPUT }]);
    const result = new ToolMessage({ content: 'sunny in Paris', tool_call_id: first.tool_calls![0]!.id! });
    expect((await ask([...asked, first, result])).text).toBe('Hello there');
    expect(at.upstream.last.rawBody).toContain('sunny in Paris');
  });

  it('gives LangChain an object of a JSON schema, which the provider was asked for', async () => {
    at.upstream.next(says({ text: '{"celsius":21.5}' }));
    const structured = langChain().withStructuredOutput(ANSWER, { name: 'answer', method: 'jsonSchema', strict: true });
    expect(await structured.invoke(PROMPT)).toEqual({ celsius: 21.5 });
    expect(at.upstream.last.rawBody).toContain('"required":["celsius"]');
  });

  it('gives the same text in a stream that arrives byte by byte as in one piece', async () => {
    const said: Said = { thinking: 'Hm – gut.', text: 'Grüße aus 東京 🙂.', calls: CALLS.calls! };
    const body = { model, messages, stream: true, tools: [{ type: 'function', function: { name: 'get_weather' } }] };
    const read = async (): Promise<object> => {
      const stream = OpenStream.start(service, at.key, body);
      await stream.whole();
      expect([stream.ended, stream.events.at(-1)]).toEqual([true, '[DONE]']);
      return gathered(stream.events.slice(0, -1) as Chunk[]);
    };
    at.upstream.next(says(said));
    const whole = await read();
    expect(whole).toMatchObject({
      content: said.text,
      reasoning_content: said.thinking,
      arguments: '{"city":"Paris"}',
    });
    at.upstream.next((request) => byteByByte(says(said)(request)));
    expect(await read()).toEqual(whole);
  });
});

interface Chunk {
  readonly choices: readonly {
    readonly delta: {
      readonly content?: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly { readonly function?: { readonly arguments?: string } }[];
    };
    readonly finish_reason: string | null;
  }[];
}

function gathered(chunks: readonly Chunk[]): object {
  const whole = { content: '', reasoning_content: '', arguments: '', finish: null as string | null };
  for (const { choices } of chunks) {
    for (const { delta, finish_reason: finish } of choices) {
      whole.content += delta.content ?? '';
      whole.reasoning_content += delta.reasoning_content ?? '';
      whole.arguments += delta.tool_calls?.[0]?.function?.arguments ?? '';
      whole.finish ??= finish;
    }
  }
  return whole;
}

function byteByByte(answer: WireAnswer): WireAnswer {
  const bytes = Buffer.concat(answer.chunks.map((chunk) => Buffer.from(chunk)));
  return { ...answer, chunks: Array.from(bytes, (_, place) => bytes.subarray(place, place + 1)) };
}

it.each(TRANSLATED)(
  '$kind: a field that it does not support is refused and named, and nothing is sent',
  async (kind) => {
    const at = world.at(kind);
    at.upstream.reset();
    const client = new OpenAI({ baseURL: `${service.baseUrl}/v1`, apiKey: at.key, maxRetries: 0 });
    const unsupported = client.chat.completions.create({ model: kind.model, messages, n: 2 });
    await expect(unsupported).rejects.toMatchObject({ status: 400, param: 'n', code: 'unsupported_by_provider' });
    expect(at.upstream.requests).toEqual([]);
  },
);
