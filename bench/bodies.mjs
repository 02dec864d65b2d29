// Measures what the worst bodies cost that are still admitted, and whether the service answers its probes meanwhile. Eight of
// each kind are sent at once, by a caller whom a limit charges, and `/health/live` is asked every few milliseconds.
//
//   npm run build && npx node bench/bodies.mjs
//
// The provider refuses each call at once, so only the reading and judging of the body is measured.
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareHumans } from './limits.mjs';
import { probedDuring, watchedText } from './probing.mjs';
import { Session, messageOf } from './session.mjs';
import { startGround, startOwnService } from './stage.mjs';
import { MODEL } from './wire.mjs';

const AT_ONCE = 8;
const LIMIT_BYTES = 20 * 1024 * 1024;
const LIMIT_VALUES = 250_000;
const LIMIT_DEPTH = 128;

const HEAD = `"model":"${MODEL}","max_tokens":16`;
const HELLO = '"messages":[{"role":"user","content":"Hello."}]';
const words = 'It was the best of times, it was the worst of times; ';

/** As many of them as the bytes allow. */
const filled = (/** @type {string} */ part) => part.repeat(Math.floor((LIMIT_BYTES - 1_000) / Buffer.byteLength(part)));

/** @type {Record<string, () => string>} */
const KINDS = {
  'one text of 20 MiB': () => `{${HEAD},"messages":[{"role":"user","content":"${filled(words)}"}]}`,
  'one text of 20 MiB without a space': () => `{${HEAD},"messages":[{"role":"user","content":"${filled('x')}"}]}`,
  'one text of escapes': () => `{${HEAD},"messages":[{"role":"user","content":"${filled('\\u00e9')}"}]}`,
  'one text of emoji': () => `{${HEAD},"messages":[{"role":"user","content":"${filled('😀')}"}]}`,
  'as many messages as values allow': () => {
    const one = `{"role":"user","content":"${words}"}`;
    return `{${HEAD},"messages":[${Array.from({ length: Math.floor(LIMIT_VALUES / 3) - 10 }, () => one).join(',')}]}`;
  },
  'a list of as many numbers as values allow': () =>
    `{${HEAD},${HELLO},"metadata":[${'0,'.repeat(LIMIT_VALUES - 20)}0]}`,
  'as many fields as are allowed, in objects': () => {
    const object = `{${Array.from({ length: 4_000 }, (_, index) => `"k${index}":1`).join(',')}}`;
    return `{${HEAD},${HELLO},"x":[${Array.from({ length: Math.floor(LIMIT_VALUES / 4_001) - 1 }, () => object).join(',')}]}`;
  },
  'objects as deep as is allowed': () => {
    const deep = '{"a":'.repeat(LIMIT_DEPTH - 3) + '1' + '}'.repeat(LIMIT_DEPTH - 3);
    return `{${HEAD},${HELLO},"x":[${Array.from({ length: Math.floor(LIMIT_VALUES / (LIMIT_DEPTH - 2)) - 2 }, () => deep).join(',')}]}`;
  },
  'as many tools as values allow': () => {
    const fields = Array.from({ length: 25 }, (_, index) => `"p${index}":{"type":"string","description":"${words}"}`);
    const tool = `{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{${fields.join(',')}}}}}`;
    return `{${HEAD},${HELLO},"tools":[${Array.from({ length: 700 }, () => tool).join(',')}]}`;
  },
  '20 MiB of white space, and an escaped key': () =>
    `{${' '.repeat(LIMIT_BYTES - 1_000)}"\\u006dodel":"${MODEL}",${HELLO}}`,
};

/**
 * @param {number} port
 * @param {string} key
 * @param {Buffer} body
 * @returns {Promise<number>} the status
 */
function send(port, key, body) {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-human-id': 'limited-0' };
    const request = http.request(
      {
        ...{ port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST', agent: false },
        headers: { ...headers, 'content-length': body.length },
      },
      (answer) => answer.resume().on('end', () => resolve(answer.statusCode ?? 0)),
    );
    request.on('error', () => resolve(0));
    request.end(body);
  });
}

const session = new Session();
try {
  const ground = await startGround(session);
  const { cluster, tenant } = ground;
  await prepareHumans(cluster, tenant.tenantId);
  const provider = http.createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{}}'));
  });
  await new Promise((resolve) => provider.listen(0, '127.0.0.1', () => resolve(undefined)));
  session.onEnd(async () => provider.closeAllConnections());
  const { port: providerPort } = /** @type {import('node:net').AddressInfo} */ (provider.address());
  const { port, pid } = await startOwnService(session, ground, providerPort);

  // The token vocabulary is read soon after the start.
  await sleep(3_000);
  for (const [title, make] of Object.entries(KINDS)) {
    const body = Buffer.from(make());
    await send(port, tenant.secretKey, body);
    const watched = await probedDuring({ port, pid }, () =>
      Promise.all(Array.from({ length: AT_ONCE }, () => send(port, tenant.secretKey, body))),
    );
    process.stdout.write(
      `${title} (${(body.length / 1024 / 1024).toFixed(1)} MiB): ${watchedText(watched)}; answers ${watched.result.join(' ')}\n`,
    );
    await sleep(500);
  }
  await session.close(false);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  await session.close(true);
  process.exitCode = 1;
}
process.exit();
