/**
 * Many simultaneous streams, of every kind of provider, over five connections to Postgres: all arrive whole, all are settled
 * exactly, and the service stays ready. Slow readers of long translated streams get every byte.
 */
import http, { type IncomingMessage } from 'node:http';
import { OpenStream } from '../http/open-stream.js';
import { eventually } from '../support/eventually.js';
import { KindWorld, type KindPlace } from '../support/kind-world.js';
import { KINDS, TRANSLATED } from '../support/kinds.js';
import { startService, type TestService } from '../support/service.js';

const STREAMS = 500;
const TEXT = 'Hello there, and more of it.';
const LENGTH = 10 * 1024 * 1024;

let service: TestService;
let world: KindWorld;

beforeAll(async () => {
  service = await startService({
    settings: {
      mode: 'development',
      outboundAllowCidrs: ['127.0.0.0/8'],
      ...{ databasePoolSize: 5, databaseCallsPoolSize: 5 },
      ...{ providerCalls: 1024, tenantCalls: 512, orgCalls: 512 },
    },
  });
  world = await KindWorld.start(service);
});

afterAll(async () => {
  await world.stop();
  await service.stop();
});

const bodyOf = ({ kind }: KindPlace): object => ({
  model: kind.model,
  messages: [{ role: 'user', content: 'Say hello.' }],
  stream: true,
  stream_options: { include_usage: true },
});

interface Sums {
  readonly state: string;
  readonly outcome: string;
  readonly calls: number;
  readonly output: number;
}

it('500 open streams of all kinds end whole and are settled exactly, and the service stays ready', async () => {
  const release = Promise.withResolvers<undefined>();
  for (const { kind, upstream } of world.places)
    upstream.otherwise = (request) => ({
      ...kind.says({ text: TEXT })(request),
      hold: { at: 4, until: release.promise },
    });
  const streams = Array.from({ length: STREAMS }, (_, index) => {
    const at = world.places[index % KINDS.length]!;
    return { at, stream: OpenStream.start(service, at.key, bodyOf(at)) };
  });
  const isReady = async (): Promise<boolean> => (await service.call('GET', '/health/ready')).status === 200;
  await eventually(async () => {
    expect(await isReady()).toBe(true);
    return streams.every(({ stream }) => stream.text.includes('"content":"He'));
  });
  const open = await service.sql("SELECT 1 FROM usage_records WHERE state = 'RESERVED'");
  expect(open).toHaveLength(STREAMS);
  release.resolve(undefined);
  await eventually(async () => {
    expect(await isReady()).toBe(true);
    return streams.every(({ stream }) => stream.ended || stream.broken);
  });
  for (const { stream } of streams) {
    expect([stream.status, stream.ended, stream.events.at(-1)]).toEqual([200, true, '[DONE]']);
    const chunks = stream.events.slice(0, -1) as readonly {
      choices: { delta: { content?: string } }[];
      usage?: object;
    }[];
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(TEXT);
    expect(chunks.at(-1)?.usage).toMatchObject({ completion_tokens: 33 });
  }
  for (const { org } of world.places) {
    const sent = streams.filter(({ at }) => at.org === org).length;
    let sums: Sums[] = [];
    await eventually(async () => {
      sums = await service.sql<Sums & Record<string, unknown>>(
        `SELECT state, outcome, count(*)::int AS calls, sum(output_tokens)::int AS output FROM usage_records
         WHERE tenant_id = $1 GROUP BY state, outcome`,
        [org.tenantId],
      );
      return sums.every(({ state }) => state !== 'RESERVED');
    });
    expect(sums).toEqual([{ state: 'SETTLED', outcome: 'OK', calls: sent, output: sent * 33 }]);
  }
}, 120_000);

/** Reads a chunk, then pauses for a while, again and again. */
async function readSlowly(at: KindPlace): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = http.request(new URL('/v1/chat/completions', service.baseUrl), {
      ...{ method: 'POST', agent: false },
      headers: { 'content-type': 'application/json', authorization: `Bearer ${at.key}` },
    });
    request.on('response', resolve).on('error', reject);
    request.end(JSON.stringify(bodyOf(at)));
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return Buffer.concat(chunks).toString('utf8');
}

it('10 MB of each translated kind reach slow readers unchanged', async () => {
  // Letters of up to four bytes, so that the network cuts within letters too.
  const text = 'Zeichen für Zeichen 🙂 '.repeat(LENGTH / 22).slice(0, LENGTH / 2);
  await Promise.all(
    TRANSLATED.map(async (kind) => {
      const at = world.at(kind);
      at.upstream.reset();
      at.upstream.next(kind.says({ text, pieceLength: 10_000 }));
      const events = (await readSlowly(at)).split('\n\n').filter((event) => event !== '');
      expect(events.pop()).toBe('data: [DONE]');
      const said = events
        .map((event) => JSON.parse(event.slice('data: '.length)) as { choices: { delta: { content?: string } }[] })
        .map(({ choices }) => choices[0]?.delta.content ?? '')
        .join('');
      expect({ kind: kind.kind, isExact: said === text, length: said.length }).toEqual({
        ...{ kind: kind.kind, isExact: true, length: text.length },
      });
    }),
  );
}, 120_000);
