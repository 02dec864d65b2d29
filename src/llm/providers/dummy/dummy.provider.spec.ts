import { parseChatRequest } from '../requests/chat-request.js';
import { Tokenizer } from '../../tokens/tokenizer.js';
import type { AnswerHeaders, AnswerSink, ProviderFailure, TokenUsage } from '../provider.js';
import { DummyProvider } from './dummy.provider.js';

const tokenizer = new Tokenizer();

interface Choice {
  readonly index: number;
  readonly finish_reason: string;
  readonly message: {
    readonly content: string | null;
    readonly tool_calls?: { function: { name: string; arguments: string } }[];
  };
  readonly delta: { readonly content?: string | null; readonly role?: string; readonly tool_calls?: unknown[] };
}

interface Completion {
  readonly id: string;
  readonly model: string;
  readonly choices: Choice[];
  readonly usage?: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
}

class Taken implements AnswerSink {
  body = '';
  events = '';
  failure: ProviderFailure | null = null;
  end: () => void = () => undefined;

  onJson(_headers: AnswerHeaders, body: Buffer): void {
    this.body = body.toString();
    this.end();
  }

  onStreamData(_headers: AnswerHeaders, events: Buffer): void {
    this.events += events.toString();
  }

  onStreamEnd(): void {
    this.end();
  }

  onFailure(failure: ProviderFailure): void {
    this.failure = failure;
    this.end();
  }

  onLate(): boolean {
    return false;
  }
}

async function ask(body: object): Promise<{ taken: Taken; usage: TokenUsage }> {
  const request = parseChatRequest(
    Buffer.from(JSON.stringify({ model: 'dummy', messages: [{ role: 'user', content: 'hello there' }], ...body })),
  );
  const taken = new Taken();
  let usage: TokenUsage | null = null;
  await new Promise<void>((resolve) => {
    taken.end = resolve;
    const call = new DummyProvider(tokenizer).start('chat', request, taken);
    const { end } = taken;
    taken.end = () => {
      usage = call.usage();
      end();
    };
  });
  return { taken, usage: usage as unknown as TokenUsage };
}

async function complete(body: object): Promise<Completion> {
  return JSON.parse((await ask(body)).taken.body) as Completion;
}

async function stream(body: object): Promise<Completion[]> {
  const { taken } = await ask({ ...body, stream: true });
  const events = taken.events.split('\n\n').slice(0, -1);
  expect(events.at(-1)).toBe('data: [DONE]');
  return events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)) as Completion);
}

const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', enum: ['Oslo', 'Rome'] },
        days: { type: 'integer', minimum: 1 },
        note: { type: 'string' },
      },
      required: ['city', 'days'],
    },
  },
};

describe('DummyProvider', () => {
  it('echoes the last user message', async () => {
    const messages = [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'x' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'second' },
          { type: 'image_url', image_url: { url: 'data:,' } },
        ],
      },
      { role: 'system', content: 'y' },
    ];
    const answer = await complete({ messages });
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'dummy',
      system_fingerprint: null,
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'You said: second' } }],
    });
    expect(answer.id).toMatch(/^chatcmpl-/);
  });

  it('says the same to the same, streamed or not, with the same usage', async () => {
    const [first, second] = [await complete({}), await complete({})];
    const chunks = await stream({ stream_options: { include_usage: true } });
    expect(second.choices).toEqual(first.choices);
    expect(second.usage).toEqual(first.usage);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
      first.choices[0]?.message.content,
    );
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: first.usage });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
  });

  it('streams word by word, a role first and a reason last, and usage only where it was asked for', async () => {
    const chunks = await stream({});
    expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' });
    expect(chunks.slice(1, -1).map(({ choices }) => choices[0]?.delta.content)).toEqual([
      'You',
      ' said:',
      ' hello',
      ' there',
    ]);
    expect(chunks.at(-1)?.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' });
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('answers n times, and counts n times', async () => {
    const [one, three] = [await complete({}), await complete({ n: 3 })];
    expect(three.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(three.usage?.completion_tokens).toBe(3 * (one.usage?.completion_tokens ?? 0));
    expect(new Set((await stream({ n: 3 })).flatMap(({ choices }) => choices.map(({ index }) => index)))).toEqual(
      new Set([0, 1, 2]),
    );
  });

  it.each(['max_tokens', 'max_completion_tokens'])('stops after %s', async (field) => {
    const answer = await complete({ [field]: 3 });
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'You said:' } });
    expect(answer.usage?.completion_tokens).toBe(3);
  });

  it('stops before a stop sequence', async () => {
    expect((await complete({ stop: [' there', 'zzz'] })).choices[0]?.message.content).toBe('You said: hello');
  });

  it.each([
    ['a named function', { type: 'function', function: { name: 'get_weather' } }],
    ['any', 'required'],
  ])('calls a tool where %s is demanded, with arguments that its schema takes', async (_which, choice) => {
    const body = { tools: [WEATHER], tool_choice: choice };
    const answer = await complete(body);
    const call = answer.choices[0]?.message.tool_calls?.[0]?.function;
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } });
    expect(call?.name).toBe('get_weather');
    expect(JSON.parse(call?.arguments ?? '')).toEqual({ city: 'Oslo', days: 1 });
    const chunks = await stream(body);
    expect(chunks[1]?.choices[0]?.delta.tool_calls).toEqual([
      expect.objectContaining({ index: 0, type: 'function', function: call }),
    ]);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls');
  });

  it('leaves tools alone where none is demanded', async () => {
    expect((await complete({ tools: [WEATHER], tool_choice: 'auto' })).choices[0]?.finish_reason).toBe('stop');
  });

  it('answers in the JSON that was asked for', async () => {
    const schema = {
      type: 'object',
      properties: { name: { $ref: '#/$defs/n' }, tags: { type: 'array', items: {} } },
      required: ['name', 'tags'],
      $defs: { n: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
    };
    const content = async (format: object): Promise<unknown> =>
      JSON.parse((await complete({ response_format: format })).choices[0]?.message.content ?? '');
    expect(await content({ type: 'json_object' })).toEqual({});
    expect(await content({ type: 'json_schema', json_schema: { name: 'x', schema } })).toEqual({ name: '', tags: [] });
  });

  it('survives a schema that refers to itself', async () => {
    const schema = { $ref: '#' };
    expect((await ask({ response_format: { type: 'json_schema', json_schema: { schema } } })).taken.failure).toBeNull();
  });

  it('reports what it said before it was stopped', async () => {
    const request = parseChatRequest(
      Buffer.from(
        JSON.stringify({ model: 'dummy', stream: true, messages: [{ role: 'user', content: 'word '.repeat(500) }] }),
      ),
    );
    const taken = new Taken();
    const call = new DummyProvider(tokenizer).start('chat', request, taken);
    const said = await new Promise<number>((resolve) => {
      taken.onStreamData = (_headers, events) => {
        taken.events += events.toString();
        if (taken.events.split('\n\n').length !== 12) return;
        call.abort();
        resolve(taken.events.length);
      };
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(taken.events.length).toBe(said);
    const { outputTokens, estimated } = call.usage();
    expect(estimated).toBe(false);
    expect(outputTokens).toBeGreaterThan(0);
    expect(outputTokens).toBeLessThan(20);
  });
});
