// The yardstick: the least that a proxy on this runtime can do. node:http in front, one undici pool behind. Bodies pass through
// as bytes, without parsing, and with only the headers that the two sides need.
//
//   node bench/bare-proxy.mjs --upstream http://127.0.0.1:<port> [--port 0]
//
// Prints one line of JSON when it listens: {"ready":true,"port":n}. Ends when its standard input closes.
import http from 'node:http';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '0' }, upstream: { type: 'string' } },
});
if (options.upstream === undefined) throw new Error('--upstream is needed');
const pool = new Pool(options.upstream);

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 * @param {Buffer | null} body
 */
function forward(request, response, body) {
  /** @type {import('undici').Dispatcher.DispatchController | undefined} */
  let upstream;
  response.once('close', () => {
    if (!response.writableFinished) upstream?.abort(new Error('the client hung up'));
  });
  pool.dispatch(
    {
      path: request.url ?? '/',
      method: /** @type {import('undici').Dispatcher.HttpMethod} */ (request.method),
      headers: {
        authorization: request.headers.authorization ?? '',
        'content-type': request.headers['content-type'] ?? 'application/json',
      },
      body,
    },
    {
      onRequestStart(controller) {
        upstream = controller;
      },
      onResponseStart(_controller, statusCode, headers) {
        /** @type {http.OutgoingHttpHeaders} */
        const sent = {};
        for (const name of ['content-type', 'content-length']) {
          const value = headers[name];
          if (value !== undefined) sent[name] = value;
        }
        response.writeHead(statusCode, sent);
      },
      onResponseData(controller, chunk) {
        if (response.write(chunk)) return;
        controller.pause();
        response.once('drain', () => controller.resume());
      },
      onResponseEnd() {
        response.end();
      },
      onResponseError() {
        if (!response.headersSent) response.writeHead(502).end();
        else response.destroy();
      },
    },
  );
}

const server = http.createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
  if (request.method !== 'POST') {
    request.resume();
    forward(request, response, null);
    return;
  }
  /** @type {Buffer[]} */
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const first = parts[0];
    forward(request, response, parts.length === 1 && first !== undefined ? first : Buffer.concat(parts));
  });
});

process.stdin.resume().on('end', () => process.exit(0));
server.listen(Number(options.port), '127.0.0.1', () => {
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  process.stdout.write(`${JSON.stringify({ ready: true, port: address.port })}\n`);
});
