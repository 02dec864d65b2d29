// A stand-in for a provider: OpenAI's wire format over node:http, as cheap as possible, so that a measurement shows the proxy
// in front of it and not this process. Answers are rendered once, at the start.
//
//   node bench/upstream.mjs [--port 0] [--delay-ms 0]
//
// Prints one line of JSON when it listens: {"ready":true,"port":n}. Ends when its standard input closes.
import http from 'node:http';
import { parseArgs } from 'node:util';
import { MODEL, STREAM_CHUNKS, TOKENS } from './wire.mjs';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '0' }, 'delay-ms': { type: 'string', default: '0' } },
});
const delayMs = Number(options['delay-ms']);

const created = 1_767_225_600;
const usage = {
  prompt_tokens: TOKENS.input,
  completion_tokens: TOKENS.output,
  total_tokens: TOKENS.input + TOKENS.output,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
};
const words = (
  'The lighthouse keeper counts the ships that pass and writes each one down before the lamp turns again so that ' +
  'nobody who asks next morning has to guess how many there were or which of them never came back into the bay'
).split(' ');

const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-B7x2Qk9VtYhN4mPzLcR8sWdEfGa1J',
    object: 'chat.completion',
    created,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: words.join(' '), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage,
    service_tier: 'default',
    system_fingerprint: 'fp_0aa8d3e20b',
  }),
);
const models = Buffer.from(
  JSON.stringify({ object: 'list', data: [{ id: MODEL, object: 'model', created, owned_by: 'bench' }] }),
);
const notFound = Buffer.from(
  JSON.stringify({ error: { message: 'Unknown path', type: 'invalid_request_error', param: null, code: null } }),
);

/**
 * @param {unknown[]} choices
 * @param {unknown} [chunkUsage]
 * @returns {Buffer}
 */
function renderChunk(choices, chunkUsage) {
  const chunk = {
    id: 'chatcmpl-B7x2Qk9VtYhN4mPzLcR8sWdEfGa1J',
    object: 'chat.completion.chunk',
    created,
    model: MODEL,
    service_tier: 'default',
    system_fingerprint: 'fp_0aa8d3e20b',
    choices,
    ...(chunkUsage === undefined ? {} : { usage: chunkUsage }),
  };
  return Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`);
}

/**
 * Fifty chunks (role, words, finish reason), the usage chunk when it was asked for, and the end mark.
 * @param {boolean} withUsage
 */
function renderStream(withUsage) {
  const ordinary = withUsage ? null : undefined;
  const chunks = [
    renderChunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }], ordinary),
  ];
  for (let index = 0; index < STREAM_CHUNKS - 2; index += 1) {
    const content = ` ${words[index % words.length]}`;
    chunks.push(renderChunk([{ index: 0, delta: { content }, logprobs: null, finish_reason: null }], ordinary));
  }
  chunks.push(renderChunk([{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }], ordinary));
  if (withUsage) chunks.push(renderChunk([], usage));
  chunks.push(Buffer.from('data: [DONE]\n\n'));
  return chunks;
}

const plainStream = renderStream(false);
const streamWithUsage = renderStream(true);

/**
 * Counts what was served, so that a caller can prove that nothing went missing. `byKey` counts chat completions by the
 * Authorization header that they came with: each target of the bench uses a different one.
 */
const served = {
  requests: 0,
  json: 0,
  streams: 0,
  models: 0,
  completed: 0,
  aborted: 0,
  inFlight: 0,
  /** @type {Record<string, number>} */
  byKey: {},
};

const jsonHeaders = { 'content-type': 'application/json', 'content-length': answer.length };
const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

/**
 * One write for each chunk, as a provider sends them, with a turn of the event loop (or the delay) between two.
 * @param {http.ServerResponse} response
 * @param {Buffer[]} chunks
 */
function streamTo(response, chunks) {
  response.writeHead(200, streamHeaders);
  let position = 0;
  const last = chunks.length - 1;
  const next = () => {
    if (response.destroyed) return;
    const chunk = /** @type {Buffer} */ (chunks[position]);
    position += 1;
    if (position > last) {
      response.end(chunk);
    } else if (response.write(chunk)) {
      if (delayMs > 0) setTimeout(next, delayMs);
      else setImmediate(next);
    } else {
      response.once('drain', next);
    }
  };
  next();
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {Buffer} body
 */
function complete(request, response, body) {
  /** @type {{ stream?: unknown, stream_options?: { include_usage?: unknown } | null }} */
  let asked;
  try {
    asked = JSON.parse(body.toString('utf8'));
  } catch {
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end('{"error":{"message":"Body is not JSON","type":"invalid_request_error","param":null,"code":null}}');
    return;
  }
  const key = request.headers.authorization ?? '';
  served.byKey[key] = (served.byKey[key] ?? 0) + 1;
  served.requests += 1;
  served.inFlight += 1;
  response.once('close', () => {
    served.inFlight -= 1;
    if (response.writableFinished) served.completed += 1;
    else served.aborted += 1;
  });
  if (asked.stream === true) {
    served.streams += 1;
    streamTo(response, asked.stream_options?.include_usage === true ? streamWithUsage : plainStream);
  } else {
    served.json += 1;
    response.writeHead(200, jsonHeaders);
    response.end(answer);
  }
}

const server = http.createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
  if (request.method === 'POST' && request.url === '/v1/chat/completions') {
    /** @type {Buffer[]} */
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const first = parts[0];
      complete(request, response, parts.length === 1 && first !== undefined ? first : Buffer.concat(parts));
    });
    return;
  }
  request.resume();
  if (request.method === 'GET' && request.url === '/v1/models') {
    served.models += 1;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': models.length }).end(models);
  } else if (request.method === 'GET' && request.url === '/__count') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(served));
  } else {
    response.writeHead(404, { 'content-type': 'application/json' }).end(notFound);
  }
});

process.stdin.resume().on('end', () => process.exit(0));
server.listen(Number(options.port), '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.stdout.write(`${JSON.stringify({ ready: true, port: address.port })}\n`);
});
