// Measures what the worst answers of a provider cost, and whether the service answers its probes meanwhile: eight calls of each
// kind are made at once, and `/health/live` is asked every few milliseconds.
//
//   npm run build && npx node bench/answers.mjs [a part of the kinds' names]
import { fork } from 'node:child_process';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { prepareHumans } from './limits.mjs';
import { probedDuring, watchedText } from './probing.mjs';
import { Session, messageOf } from './session.mjs';
import { startGround, startOwnService } from './stage.mjs';
import { MODEL } from './wire.mjs';

const AT_ONCE = 8;
const MIB = 1024 * 1024;
/** The argument that starts this file as the provider's process. */
const PROVIDER = 'provider';

const words = 'It was the best of times, it was the worst of times; ';
const usage = '"usage":{"prompt_tokens":9,"completion_tokens":2000,"total_tokens":2009}';
/** As many of them as so many bytes allow. */
const filled = (/** @type {string} */ part, /** @type {number} */ mib) =>
  part.repeat(Math.floor((mib * MIB - 4_000) / Buffer.byteLength(part)));

const head = (/** @type {string} */ object) => `{"id":"x","object":"${object}","created":1,"model":"${MODEL}"`;
const completion = (/** @type {string} */ content, rest = `,${usage}`, beside = '') =>
  `${head('chat.completion')},"choices":[{"index":0,"message":{"role":"assistant","content":"${content}"}${beside},` +
  `"finish_reason":"stop"}]${rest}}`;
const delta = (/** @type {string} */ said, reason = 'null') =>
  `data: ${head('chat.completion.chunk')},"choices":[{"index":0,"delta":${said},"finish_reason":${reason}}]}\n\n`;
const says = (/** @type {string} */ text) => delta(`{"content":"${text}"}`);
const end = delta('{}', '"stop"');
const reported = `data: ${head('chat.completion.chunk')},"choices":[],${usage}}\n\n`;
const done = 'data: [DONE]\n\n';
const logprob = `{"token":" times","logprob":-0.1234567,"bytes":[32,116,105],"top_logprobs":[]}`;

const called = '{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\\"city\\":\\"Rome\\"}"}}';

const anthropicHead = '"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5"';
const anthropicUsage = '"usage":{"input_tokens":9,"output_tokens":2000}';
/** An answer of Anthropic's. */
const translated = (/** @type {string} */ text) =>
  `{${anthropicHead},"content":[{"type":"text","text":"${text}"}],"stop_reason":"end_turn","stop_sequence":null,${anthropicUsage}}`;
const event = (/** @type {string} */ type, /** @type {string} */ rest) =>
  `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`;
const translatedDelta = (/** @type {string} */ text) =>
  event('content_block_delta', `,"index":0,"delta":{"type":"text_delta","text":"${text}"}`);
const translatedEvents = (/** @type {string} */ deltas) =>
  event(
    'message_start',
    `,"message":{${anthropicHead},"content":[],"stop_reason":null,"stop_sequence":null,${anthropicUsage}}`,
  ) +
  event('content_block_start', ',"index":0,"content_block":{"type":"text","text":""}') +
  deltas +
  event('content_block_stop', ',"index":0') +
  event('message_delta', ',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2000}') +
  event('message_stop', '');

/**
 * @typedef {object} Kind
 * @property {() => string} answer
 * @property {'events'} [as] how the answer says to be; absent: JSON
 * @property {number} [status]
 * @property {boolean} [asksForStream]
 * @property {'embeddings' | 'responses'} [operation]
 * @property {string} [human]
 * @property {'anthropic'} [kind] of the provider; absent: one of OpenAI's dialect
 */

/** @type {Record<string, Kind>} */
const KINDS = {
  'one text of 64 MiB': { answer: () => completion(filled(words, 64)) },
  'one text of 64 MiB, for a human': { answer: () => completion(filled(words, 64)), human: 'limited-0' },
  'one text of 64 MiB, no usage': { answer: () => completion(filled(words, 64), '') },
  'one text of 8 MiB': { answer: () => completion(filled(words, 8)) },
  'one text of 8 MiB, for a human': { answer: () => completion(filled(words, 8)), human: 'limited-0' },
  'one text of 8 MiB, no usage': { answer: () => completion(filled(words, 8), '') },
  '8 MiB of escapes, no usage': { answer: () => completion(filled('\\u00e9', 8), '') },
  '8 MiB of emoji, no usage': { answer: () => completion(filled('😀', 8), '') },
  '8 MiB of letters, no usage': { answer: () => completion(filled('x', 8), '') },
  '8 MiB of escapes': { answer: () => completion(filled('\\u00e9', 8)) },
  '3 MiB of probabilities': {
    answer: () => completion('x', undefined, `,"logprobs":{"content":[${filled(`${logprob},`, 2.4)}${logprob}]}`),
  },
  '64 MiB of probabilities': {
    answer: () => completion('x', undefined, `,"logprobs":{"content":[${filled(`${logprob},`, 64)}${logprob}]}`),
  },
  '64 MiB of reports': { answer: () => completion('x', `,"x":[${filled(`{${usage}},`, 64)}{}]`) },
  '64 MiB of names of reports': { answer: () => completion('x', `,"x":[${filled('{"usage":{"x":', 64)}`) },
  '64 MiB of white space': { answer: () => completion('x', `,${filled(' ', 64)}${usage}`) },
  '64 MiB of an error': { answer: () => `{"error":{"message":"${filled(words, 64)}"}}`, status: 500 },
  '8 MiB for a call of a stream': { answer: () => completion(filled(words, 8)), asksForStream: true },
  // More would be too many values to be made a stream.
  '2 MiB of probabilities for a call of a stream': {
    answer: () => completion('x', undefined, `,"logprobs":{"content":[${filled(`${logprob},`, 2)}${logprob}]}`),
    asksForStream: true,
  },
  'a stream of 64 MiB, for a call of no stream': {
    answer: () => `${filled(says(words), 64)}${end}${reported}${done}`,
    as: 'events',
  },
  'events of 7 MiB, for a call of no stream': {
    answer: () => `${says(filled(words, 7)).repeat(8)}${end}${reported}${done}`,
    as: 'events',
  },
  'a stream of 64 MiB': {
    answer: () => `${filled(says(words), 64)}${end}${reported}${done}`,
    as: 'events',
    asksForStream: true,
  },
  'a stream of 64 MiB, no usage': {
    answer: () => `${filled(says(words), 64)}${end}${done}`,
    as: 'events',
    asksForStream: true,
  },
  'a stream of 16 MiB of reports': {
    answer: () => `${filled(reported, 16)}${end}${reported}${done}`,
    as: 'events',
    asksForStream: true,
  },
  'a stream of one event of 64 MiB': {
    answer: () => `${says(filled(words, 64))}${end}${reported}${done}`,
    as: 'events',
    asksForStream: true,
  },
  'a stream of events of 255 KiB': {
    answer: () => `${says(filled(words, 0.24)).repeat(256)}${end}${reported}${done}`,
    as: 'events',
    asksForStream: true,
  },
  'numbers of 64 MiB': {
    answer: () =>
      `{"object":"list","model":"${MODEL}","data":[{"object":"embedding","index":0,"embedding":[${filled('0.0123456,', 64)}0]}],` +
      '"usage":{"prompt_tokens":9,"total_tokens":9}}',
    operation: 'embeddings',
  },
  'numbers of 1 MiB': {
    answer: () =>
      `{"object":"list","model":"${MODEL}","data":[{"object":"embedding","index":0,"embedding":[${filled('0.0123456,', 1)}0]}],` +
      '"usage":{"prompt_tokens":9,"total_tokens":9}}',
    operation: 'embeddings',
  },
  // This provider has no responses of its own: it is asked by chat.
  'a response of 8 MiB': { answer: () => completion(filled(words, 8)), operation: 'responses' },
  'a response of 8 MiB, no usage': { answer: () => completion(filled(words, 8), ''), operation: 'responses' },
  'a response of 8 MiB, for a call of a stream': {
    answer: () => completion(filled(words, 8)),
    operation: 'responses',
    asksForStream: true,
  },
  'a response of 3 MiB of calls': {
    answer: () =>
      completion('x', undefined, '').replace(
        '"content":"x"',
        `"content":"x","tool_calls":[${filled(`${called},`, 3)}${called}]`,
      ),
    operation: 'responses',
  },
  'a response, a stream of 8 MiB': {
    answer: () => `${filled(says(words), 8 * 4.5)}${end}${reported}${done}`,
    as: 'events',
    operation: 'responses',
    asksForStream: true,
  },
  'a response, events of 2 MiB': {
    answer: () => `${says(filled(words, 2)).repeat(4)}${end}${reported}${done}`,
    as: 'events',
    operation: 'responses',
    asksForStream: true,
  },
  'a translated text of 8 MiB': { answer: () => translated(filled(words, 8)), kind: 'anthropic' },
  'a translated text of 8 MiB, as a response': {
    answer: () => translated(filled(words, 8)),
    kind: 'anthropic',
    operation: 'responses',
  },
  'a translated stream of 8 MiB': {
    answer: () => translatedEvents(filled(translatedDelta(words), 16)),
    as: 'events',
    kind: 'anthropic',
    asksForStream: true,
  },
  'a translated stream, events of 2 MiB': {
    answer: () => translatedEvents(translatedDelta(filled(words, 2)).repeat(4)),
    as: 'events',
    kind: 'anthropic',
    asksForStream: true,
  },
};

const PATHS = { chat: '/v1/chat/completions', embeddings: '/v1/embeddings', responses: '/v1/responses' };
const BODIES = {
  chat: { model: MODEL, messages: [{ role: 'user', content: 'Hello.' }], max_tokens: 4000 },
  embeddings: { model: MODEL, input: 'Hello.' },
  responses: { model: MODEL, input: 'Hello.', max_output_tokens: 4000 },
};

/** Answers every call as the kind says whose name it was told last. */
function serve() {
  /** @type {Kind | undefined} */
  let kind;
  let answer = Buffer.alloc(0);
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      const type = kind?.as === 'events' ? 'text/event-stream' : 'application/json';
      response.writeHead(kind?.status ?? 200, { 'content-type': type, 'content-length': answer.length }).end(answer);
    });
  });
  process.on('message', (name) => {
    kind = KINDS[String(name)];
    answer = Buffer.from(kind?.answer() ?? '');
    process.send?.(answer.length);
  });
  process.on('disconnect', () => process.exit());
  server.listen(0, '127.0.0.1', () => {
    process.send?.(/** @type {import('node:net').AddressInfo} */ (server.address()).port);
  });
}

/**
 * @typedef {object} Door
 * @property {number} port
 * @property {string} key
 * @property {string} path before the operation's
 * @property {string} model
 */

/**
 * @param {Door} door
 * @param {Kind} kind
 * @returns {Promise<string>} the status, and how much came
 */
function call({ port, key, path, model }, { operation, asksForStream, human }) {
  const body = JSON.stringify({
    ...BODIES[operation ?? 'chat'],
    model,
    ...(asksForStream === true ? { stream: true } : {}),
  });
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    ...(human === undefined ? {} : { 'x-human-id': human }),
  };
  return new Promise((resolve) => {
    const request = http.request(
      { port, host: '127.0.0.1', path: path + PATHS[operation ?? 'chat'], method: 'POST', agent: false, headers },
      (answer) => {
        let size = 0;
        answer.on('data', (chunk) => (size += chunk.length));
        answer.on('end', () => resolve(`${answer.statusCode}/${(size / MIB).toFixed(1)}`));
        answer.on('error', () => resolve('broken'));
      },
    );
    request.on('error', () => resolve('failed'));
    request.end(body);
  });
}

/**
 * A gateway to a provider of another dialect, whose answers are translated.
 * @param {Door} own
 * @param {string} endpoint
 * @returns {Promise<Door>}
 */
async function openTranslated(own, endpoint) {
  const answer = await fetch(`http://127.0.0.1:${own.port}/api/v1/gateways/create`, {
    method: 'POST',
    headers: { authorization: `Bearer ${own.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'translated',
      providers: [{ provider: 'anthropic', endpoint, api_key: 'sk', models: ['claude-sonnet-4-5'] }],
    }),
  });
  if (!answer.ok) throw new Error(`no gateway was made: ${answer.status} ${await answer.text()}`);
  const { gateway, token } = /** @type {{ gateway: { id: string }, token: string }} */ (await answer.json());
  return { ...own, key: token, path: `/gateways/${gateway.id}`, model: 'claude-sonnet-4-5' };
}

/** @param {string} wanted a part of the kinds' names */
async function main(wanted) {
  const session = new Session();
  try {
    const ground = await startGround(session);
    const { cluster, tenant } = ground;
    await prepareHumans(cluster, tenant.tenantId);
    const provider = fork(fileURLToPath(import.meta.url), [PROVIDER]);
    session.onEnd(async () => provider.disconnect());
    const told = () => new Promise((resolve) => provider.once('message', resolve));
    const upstreamPort = await told();
    const environment = { GATEHOUSE_DEV: '1', OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8', LOG_LEVEL: 'warn' };
    const { port, pid } = await startOwnService(session, ground, Number(upstreamPort), environment);

    const own = { port, key: tenant.secretKey, path: '', model: MODEL };
    const translating = await openTranslated(own, `http://127.0.0.1:${upstreamPort}/v1`);

    // The token vocabulary is read soon after the start.
    await sleep(3_000);
    for (const [name, kind] of Object.entries(KINDS)) {
      if (!name.includes(wanted)) continue;
      provider.send(name);
      await told();
      const door = kind.kind === undefined ? own : translating;
      await call(door, kind);
      await sleep(500);
      const watched = await probedDuring({ port, pid }, () =>
        Promise.all(Array.from({ length: AT_ONCE }, () => call(door, kind))),
      );
      process.stdout.write(`${name}: ${watchedText(watched)}; answers ${watched.result.join(' ')}\n`);
      await sleep(500);
    }
    await session.close(false);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    await session.close(true);
    process.exitCode = 1;
  }
}

if (process.argv[2] === PROVIDER) serve();
else {
  await main(process.argv[2] ?? '');
  process.exit();
}
