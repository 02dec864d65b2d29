// What a translated stream of Anthropic's costs, beside a stream of the same pieces that is passed through: only the CPU of the
// exchange with the provider, in one process, the two taking turns.
//
//   npm run build && npx node bench/translated.mjs [pieces in one write, 1]
import { fork } from 'node:child_process';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { median } from './statistics.mjs';

const PIECES = 200;
const STREAMS = 60;
const ROUNDS = 7;
const AT_ONCE = 8;
const MODEL = 'claude-sonnet-4-5';
const WORD = ' lighthouse';

const event = (/** @type {{ type: string }} */ data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
const chunk = (/** @type {object} */ rest) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: MODEL, ...rest })}\n\n`;

function anthropicPieces() {
  const usage = { input_tokens: 9, output_tokens: 1 };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: MODEL, content: [], usage };
  return {
    head:
      event({ type: 'message_start', message }) +
      event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
      event({ type: 'ping' }),
    piece: event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: WORD } }),
    tail:
      event({ type: 'content_block_stop', index: 0 }) +
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: PIECES } }) +
      event({ type: 'message_stop' }),
  };
}

function openaiPieces() {
  const usage = { prompt_tokens: 9, completion_tokens: PIECES, total_tokens: 9 + PIECES };
  const delta = (/** @type {object} */ said, /** @type {string | null} */ reason = null) =>
    chunk({ choices: [{ index: 0, delta: said, logprobs: null, finish_reason: reason }], usage: null });
  return {
    head: delta({ role: 'assistant', content: '' }),
    piece: delta({ content: WORD }),
    tail: `${delta({}, 'stop')}${chunk({ choices: [], usage })}data: [DONE]\n\n`,
  };
}

/** @param {number} together */
function serve(together) {
  const server = http.createServer((request, response) => {
    const { head, piece, tail } = request.url === '/v1/messages' ? anthropicPieces() : openaiPieces();
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(head);
      let left = PIECES;
      const next = () => {
        const now = Math.min(together, left);
        left -= now;
        if (now === 0) response.end(tail);
        else {
          response.write(piece.repeat(now));
          setImmediate(next);
        }
      };
      setImmediate(next);
    });
  });
  server.listen(0, '127.0.0.1', () => {
    process.send?.(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
  });
  process.on('disconnect', () => process.exit());
}

/** @param {number} together */
async function measure(together) {
  const [{ OutboundHttp }, { loadSettings }, { Tokenizer }, { PROVIDER_FACTORIES }, { parseChatRequest }] =
    await Promise.all([
      import('../dist/platform/outbound/index.js'),
      import('../dist/platform/config/index.js'),
      import('../dist/llm/tokens/tokenizer.js'),
      import('../dist/llm/providers/provider-factories.js'),
      import('../dist/llm/providers/requests/chat-request.js'),
    ]);
  const child = fork(fileURLToPath(import.meta.url), ['serve', String(together)]);
  const port = await new Promise((resolve) => child.once('message', resolve));
  const { settings } = loadSettings({ GATEHOUSE_MODE: 'development' });
  const timeouts = { firstByteTimeoutMs: 10_000, idleTimeoutMs: 10_000, totalTimeoutMs: 60_000 };
  const deps = { http: new OutboundHttp(settings), tokenizer: new Tokenizer(), timeouts };
  const providerOf = (/** @type {'anthropic' | 'openai'} */ kind) => {
    const usual = { name: kind, kind, policy: 'operator', settings: {}, models: [], credentials: { apiKey: 'sk' } };
    return PROVIDER_FACTORIES[kind]({ ...usual, baseUrl: `http://127.0.0.1:${port}/v1` }, deps);
  };
  const providers = { passed: providerOf('openai'), translated: providerOf('anthropic') };
  const body = { model: MODEL, stream: true, max_tokens: 4096, messages: [{ role: 'user', content: 'Hello.' }] };
  const request = parseChatRequest(Buffer.from(JSON.stringify({ ...body, stream_options: { include_usage: true } })));

  const stream = (/** @type {keyof typeof providers} */ name) =>
    new Promise((resolve, reject) => {
      let text = '';
      providers[name].start('chat', request, {
        onLate: () => false,
        onJson: () => reject(new Error('JSON')),
        onStreamData: (/** @type {unknown} */ _headers, /** @type {Buffer} */ data) => {
          text += data.toString('latin1');
        },
        onStreamEnd: () => {
          const words = text.match(/lighthouse/g)?.length;
          if (words === PIECES) resolve(undefined);
          else reject(new Error(`${name}: ${words} of ${PIECES} words`));
        },
        onFailure: (/** @type {{ error: Error }} */ { error }) => reject(error),
      });
    });
  const round = async (/** @type {keyof typeof providers} */ name) => {
    const before = process.cpuUsage();
    for (let done = 0; done < STREAMS; done += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, () => stream(name)));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / STREAMS;
  };
  /** @type {Record<keyof typeof providers, number[]>} */
  const times = { passed: [], translated: [] };
  for (let index = -2; index < ROUNDS; index += 1) {
    for (const name of /** @type {const} */ (['passed', 'translated'])) {
      const micros = await round(name);
      if (index >= 0) times[name].push(micros);
    }
  }
  const [passed, translated] = [median(times.passed), median(times.translated)];
  process.stdout.write(
    `a stream of ${PIECES} pieces, ${together} in a write: passed through ${passed.toFixed(0)} us of CPU, translated ` +
      `${translated.toFixed(0)} us: ${(translated / passed).toFixed(2)} times (goal: at most 3)\n`,
  );
  child.disconnect();
}

if (process.argv[2] === 'serve') serve(Number(process.argv[3]));
else {
  await measure(Number(process.argv[2] ?? 1));
  process.exit();
}
