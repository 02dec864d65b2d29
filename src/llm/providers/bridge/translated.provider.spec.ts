import { anthropicEvents, anthropicSays, sse, text, toolUse } from '../../../../test/support/anthropic-wire.js';
import { eventually } from '../../../../test/support/eventually.js';
import { stageOf } from '../../../../test/support/kind-stage.js';
import { ANTHROPIC } from '../../../../test/support/kinds.js';
import { TIMEOUTS, WEATHER } from '../../../../test/support/translated.js';
import { hungUp } from '../../../../test/support/wire-upstream.js';
import { loadSettings } from '../../../platform/config/index.js';
import { OutboundHttp } from '../../../platform/outbound/index.js';
import { assertOutputWithin } from './output-check.js';

const STREAM = { stream: true };
const SAID = 'Grüße aus Köln 🙂, und noch mehr davon.';

const at = stageOf(ANTHROPIC);

/** The bytes of a stream that thinks, says something and calls a tool. */
function streamBytes(): Buffer {
  const content = [
    { type: 'thinking', thinking: 'Hm – gut.', signature: 'c2ln' } as const,
    text(SAID),
    toolUse('toolu_1', { city: 'Zürich' }),
  ];
  return Buffer.from(anthropicEvents({ content, stopReason: 'tool_use' }, {}).join(''));
}

describe('a translated stream', () => {
  it('says the same wherever the network cut it', async () => {
    const bytes = streamBytes();
    at.upstream.next({ ...sse([]), chunks: [bytes] });
    const { message } = (await at.ask(STREAM)).sink;
    expect(message).toMatchObject({ content: SAID, reasoning_content: 'Hm – gut.', finish: 'tool_calls' });
    const each = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
    at.upstream.next({ ...sse([]), chunks: each });
    expect((await at.ask(STREAM)).sink.message).toEqual(message);
  });

  it('that ends anywhere before its end mark is a broken one, and what arrived of it is charged', async () => {
    const bytes = streamBytes();
    const end = bytes.indexOf('event: message_stop');
    // By then all of the text has come.
    const said = bytes.indexOf('input_json_delta');
    for (const cut of [true, false]) {
      for (let place = 50; place < end; place += 211) {
        at.upstream.next({ ...sse([]), chunks: [bytes.subarray(0, place)], cut });
        const { sink, attempt } = await at.ask(STREAM);
        expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status: 502, code: 'upstream_broken' });
        expect(sink.ended).toBe(false);
        expect(attempt.complete).toBe(false);
        if (place <= said) continue;
        const { inputTokens, outputTokens, estimated } = attempt.usage();
        expect({ cut, place, inputTokens, estimated }).toEqual({ cut, place, inputTokens: 132, estimated: true });
        expect(outputTokens).toBeGreaterThan(10);
      }
    }
  });

  it('that came to its end mark is whole, however the connection ends', async () => {
    at.upstream.next({ ...sse([]), chunks: [streamBytes()], cut: true });
    const { sink, attempt } = await at.ask(STREAM);
    expect(sink).toMatchObject({ ended: true, failure: null });
    expect(attempt.usage().estimated).toBe(false);
  });

  it('puts pieces that came together into one chunk', async () => {
    at.upstream.next({ ...sse([]), chunks: [streamBytes()] });
    const { sink } = await at.ask(STREAM);
    expect(sink.chunks.filter((chunk) => chunk.choices[0]?.delta.content !== undefined)).toHaveLength(1);
  });

  it('stops at once when it is given up, and the sink hears nothing more', async () => {
    at.upstream.next({ ...sse(anthropicEvents({}, {}).slice(0, 4)), stall: true });
    const { sink, attempt } = at.begin(STREAM);
    await eventually(() => sink.writes > 0);
    attempt.abort();
    await hungUp(at.upstream);
    expect(sink).toMatchObject({ ended: false, failure: null, hasJson: false });
  });

  it.each([true, false])(
    'is charged its prompt where it is given up before the answer began (stream: %s)',
    async (stream) => {
      at.upstream.next({ ...sse([]), silent: true });
      const { attempt } = at.begin({ stream });
      expect(attempt.usage()).toMatchObject({ inputTokens: 0, outputTokens: 0 });
      await eventually(() => at.upstream.requests.length > 0);
      attempt.abort();
      await hungUp(at.upstream);
      const { inputTokens, outputTokens, estimated } = attempt.usage();
      expect([inputTokens > 0, outputTokens, estimated]).toEqual([true, 0, true]);
    },
  );

  it('waits while it is paused, and holds the provider back', async () => {
    const piece = 'So much is said at once. '.repeat(80);
    const [start, ping, open, , ...rest] = anthropicEvents({ content: [text('four')] }, {});
    const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } };
    const said = `event: content_block_delta\ndata: ${JSON.stringify(delta)}\n\n`.repeat(20);
    const chunks = [start, ping, open, ...Array.from({ length: 400 }, () => said), ...rest].map(String);
    let sent = 0;
    at.upstream.next({ ...sse([]), chunks, onWritten: (count) => (sent = count) });
    const { sink, attempt } = at.begin(STREAM);
    sink.onPiece = () => attempt.pause();
    await eventually(() => sink.writes === 1);
    let before = -1;
    // The sockets' buffers fill, and then nothing more is taken.
    await eventually(async () => {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return sent === before;
    });
    expect(sent).toBeLessThan(chunks.length);
    expect(sink.writes).toBe(1);
    sink.onPiece = () => undefined;
    attempt.resume();
    await sink.over;
    expect(sink.told).toEqual({});
    expect(sink.message.content === piece.repeat(8_000)).toBe(true);
  });
});

describe('tool calls to which a provider gave the same id', () => {
  it.each([true, false])('stay apart, each with an id of its own (stream: %s)', async (stream) => {
    const content = ['y', 'x', 'x', 'x_2', 'x'].map((id, call) => toolUse(id, { call }));
    at.upstream.next(anthropicSays({ content, stopReason: 'tool_use' }));
    const { sink } = await at.ask({ stream, tools: [WEATHER] });
    const name = 'get_weather';
    const ids = ['y', 'x', 'x_2', 'x_2_2', 'x_3'];
    const calls = ids.map((id, call) => ({ id, name, arguments: JSON.stringify({ call }) }));
    if (stream) expect(sink.message.tool_calls).toEqual(calls);
    else
      expect(sink.choice.message.tool_calls).toEqual(
        calls.map(({ id, ...called }) => ({ id, type: 'function', function: called })),
      );
  });
});

it('a tool call without arguments has the empty object, since clients parse them', async () => {
  const events = anthropicEvents({ content: [toolUse('x', {})], stopReason: 'tool_use' }, {}).map(String);
  const chunks = events.filter((event) => !/"partial_json":"[^"]/.test(event));
  expect(chunks.length).toBeLessThan(events.length);
  at.upstream.next({ ...sse([]), chunks });
  const { sink } = await at.ask({ stream: true, tools: [WEATHER] });
  expect(sink.message.tool_calls).toEqual([{ id: 'x', name: 'get_weather', arguments: '{}' }]);
});

describe('a translated call', () => {
  it('with a large body is made in steps, between which others have their turn', async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      counting = setImmediate(count);
    };
    let counting = setImmediate(count);
    let sentAt = 0;
    class Watched extends OutboundHttp {
      override fetchFor(...options: Parameters<OutboundHttp['fetchFor']>): ReturnType<OutboundHttp['fetchFor']> {
        const fetch = super.fetchFor(...options);
        return (...asked) => {
          sentAt = turns;
          return fetch(...asked);
        };
      }
    }
    const { settings } = loadSettings({ GATEHOUSE_MODE: 'development', OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8' });
    const http = new Watched(settings);
    const provider = at.another({}, { http });
    const turnsOf = async (content: string): Promise<number> => {
      const asked = at.begin({ messages: [{ role: 'user', content }] }, provider);
      const begun = turns;
      await asked.sink.over;
      return sentAt - begun;
    };
    // The first one loads the package.
    await turnsOf('Hi');
    const ofSmall = await turnsOf('Hi');
    const ofLarge = await turnsOf('x'.repeat(100_000));
    clearImmediate(counting);
    await http.onApplicationShutdown();
    expect(ofLarge).toBeGreaterThanOrEqual(ofSmall + 2);
  });

  it('that gets no answer in time fails, or is waited for', async () => {
    // On the open connection the request is sent before its short time is over.
    await at.ask();
    const quick = at.another({}, { timeouts: { ...TIMEOUTS, firstByteTimeoutMs: 100 } });
    at.upstream.next({ ...sse([]), silent: true, chunks: [] });
    const first = await at.ask({}, quick);
    expect(first.sink.lateness).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT' });
    expect(first.sink.told).toMatchObject({ outcome: 'UPSTREAM_TIMEOUT', status: 504 });
    let answer: () => void = () => undefined;
    const after = new Promise<void>((resolve) => (answer = resolve));
    at.upstream.next((request) => ({ ...anthropicSays()(request), after }));
    const { sink, attempt } = at.begin({}, quick);
    sink.waits = true;
    await eventually(() => sink.lateness !== null);
    answer();
    await sink.over;
    expect(sink.choice.message.content).toBe('Hello there');
    expect(attempt.usage().estimated).toBe(false);
  });

  it('whose answer breaks off is charged for what came', async () => {
    const whole = anthropicSays({ content: [text('All of this was said before the connection broke.')] });
    at.upstream.next((request) => {
      const [body] = whole(request).chunks;
      return { ...whole(request), chunks: [String(body).slice(0, -200)], cut: true };
    });
    const { sink, attempt } = await at.ask();
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_BROKEN', status: 502 });
    expect(attempt.status).toBe(200);
    expect(attempt.usage()).toMatchObject({ estimated: true });
    expect(attempt.usage().outputTokens).toBeGreaterThan(5);
  });

  it('to a provider that cannot be reached is a failure, and nothing is charged', async () => {
    const gone = at.another({ baseUrl: 'http://127.0.0.1:9/v1' });
    const { sink, attempt } = await at.ask({}, gone);
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', status: 502, code: 'upstream_unreachable' });
    expect(attempt.usage()).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  });

  it('goes to no address that a tenant may not name', async () => {
    const inside = at.another({ baseUrl: 'http://10.0.0.1/v1' });
    const { sink } = await at.ask({}, inside);
    expect(sink.told).toMatchObject({ outcome: 'UPSTREAM_ERROR', status: 502, code: 'upstream_unreachable' });
  });
});

/** As Anthropic's dialect has it. */
const DIALECT = {
  outputIn: ({ max_tokens: most, thinking }: Readonly<Record<string, unknown>>): number | null => {
    const budget = (thinking as { readonly budget_tokens?: number } | undefined)?.budget_tokens ?? 0;
    return typeof most === 'number' ? Math.max(most, budget) : null;
  },
};

describe('the bytes that go out', () => {
  const within = (body: object, limit: number): void => assertOutputWithin(JSON.stringify(body), limit, DIALECT);

  it.each([
    [{ max_tokens: 40_400 }],
    [{ max_tokens: 2_000, thinking: { budget_tokens: 38_400 } }],
    [{ messages: [{ max_tokens: 10 }] }],
    [{}],
  ])('may not ask for more than was reserved: %j', (body) => {
    expect(() => within(body, 2_000)).toThrow('An internal error occurred.');
  });

  it.each([
    [{ max_tokens: 2_000 }],
    [{ max_tokens: 2_000, messages: [{ content: [{ type: 'tool_use', input: { max_tokens: 99_999 } }] }] }],
    [{ max_tokens: 2_000, messages: [{ content: '"max_tokens":99999' }] }],
  ])('may hold greater numbers elsewhere: %j', (body) => {
    expect(() => within(body, 2_000)).not.toThrow();
  });
});
