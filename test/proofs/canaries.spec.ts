/**
 * The provider's key, a prompt and an answer pass through calls of every kind that succeed, fail, break off, time out, are left
 * by their caller, or are cut off by kill -9. None of the three may be in a log, a metric or a table, and the key in no answer.
 */
import { randomUUID } from 'node:crypto';
import { OpenStream } from '../http/open-stream.js';
import { captureLog, type CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { GONE, KindWorld, type KindPlace } from '../support/kind-world.js';
import { startService, startServiceProcess, type ServiceProcess, type TestService } from '../support/service.js';
import { dump } from '../support/sql.js';
import type { Answerer, WireAnswer } from '../support/wire-upstream.js';
import { freePort } from '../support/free-port.js';

const PROMPT = `prompt-${randomUUID()}`;
const ANSWER = `answer-${randomUUID()}`;

/** Creates the tenants, and sweeps the calls of the killed process. */
let admin: TestService;
let log: CapturedLog;
let world: KindWorld;
let doomed: ServiceProcess;
let metricsPort: number;

beforeAll(async () => {
  log = captureLog();
  admin = await startService({
    settings: {
      ...{ mode: 'development', outboundAllowCidrs: ['127.0.0.0/8'] },
      ...{ leaseSeconds: 2, sweepSeconds: 1 },
    },
  });
  world = await KindWorld.start(admin);
  metricsPort = await freePort();
  const { database, issuer, upstream, settings } = admin;
  const keysOf = (keys: readonly { readonly version: number; readonly secret: Buffer }[]): string =>
    keys.map(({ version, secret }) => `${version}:${secret.toString('base64url')}`).join(',');
  doomed = await startServiceProcess({
    ...{ database, issuer, upstream },
    env: {
      // A development process may call providers without https.
      GATEHOUSE_DEV: '1',
      OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8',
      FIREBASE_PROJECT_ID: undefined,
      FIREBASE_JWKS_URL: undefined,
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'debug',
      GATEHOUSE_LEASE_SECONDS: '2',
      GATEHOUSE_FIRST_BYTE_TIMEOUT_MS: '1500',
      GATEHOUSE_IDLE_TIMEOUT_MS: '1500',
      GATEHOUSE_TOTAL_TIMEOUT_MS: '4000',
      GATEHOUSE_PEPPERS: keysOf(settings.peppers),
      GATEHOUSE_ENCRYPTION_KEYS: keysOf(settings.encryptionKeys),
    },
  });
}, 90_000);

afterAll(async () => {
  if (!doomed.process.hasExited) await doomed.kill9();
  await world.stop();
  await admin.stop();
  log.stop();
});

function call({ kind, key }: KindPlace, stream: boolean, model = kind.model): OpenStream {
  const messages = [{ role: 'user', content: PROMPT }];
  return OpenStream.start(doomed, key, { model, messages, stream });
}

/** The answer, cut off after its text. */
function part({ kind }: KindPlace, rest: Partial<WireAnswer>): Answerer {
  return (request) => {
    const whole = kind.says({ text: `${ANSWER}${' and more'.repeat(9)}`, pieceLength: ANSWER.length })(request);
    const isText = whole.chunks.length === 1 && typeof whole.chunks[0] === 'string';
    const chunks = isText
      ? [(whole.chunks[0] as string).slice(0, -20)]
      : whole.chunks.slice(0, Math.ceil(whole.chunks.length * 0.6));
    return { ...whole, chunks, ...rest };
  };
}

/** The stand-in's answers, how their callers end, and whether the caller got the answer's text. */
function endings(at: KindPlace): readonly (readonly [what: string, answer: Answerer | WireAnswer, status: number])[] {
  const { kind } = at;
  const quoting = `Bad: ${PROMPT}, ${ANSWER}, ${kind.secret}.`;
  return [
    ['success', kind.says({ text: ANSWER, pieceLength: 200 }), 200],
    ['a refusal', kind.refuses(400, quoting), 400],
    ['a refusal of our key', kind.refuses(401, quoting), 502],
    ['an error', kind.refuses(500, quoting), 500],
    ['a break', part(at, { cut: true }), 502],
    ['no JSON', { chunks: [quoting] }, 502],
  ];
}

/** Everything that callers received. */
const told: string[] = [];

async function ended(stream: OpenStream): Promise<OpenStream> {
  told.push(await stream.whole(), JSON.stringify(stream.headers));
  return stream;
}

it('the key, the prompts and the answers are found nowhere', async () => {
  await Promise.all(
    world.places.map(async (at) => {
      for (const [what, answer, status] of endings(at)) {
        for (const stream of [false, true]) {
          at.upstream.next(answer);
          const { status: got } = await ended(call(at, stream));
          // A stream that breaks off has already sent its status.
          const expected = stream && what === 'a break' ? 200 : status;
          expect({ kind: at.kind.kind, what, stream, status: got }).toEqual({
            ...{ kind: at.kind.kind, what, stream, status: expected },
          });
        }
      }
      await ended(call(at, false, GONE));
      for (const stream of [false, true]) {
        at.upstream.next({ chunks: [], silent: true });
        expect((await ended(call(at, stream))).status).toBe(504);
      }
      at.upstream.next(part(at, { stall: true }));
      const left = call(at, true);
      await left.until(ANSWER);
      left.hangUp();
    }),
  );
  expect(told.filter((text) => text.includes(ANSWER)).length).toBeGreaterThan(world.places.length);

  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  expect(metrics).toContain('amazon_bedrock');
  const during = world.places.map((at) => {
    at.upstream.next(part(at, { stall: true }));
    return call(at, true);
  });
  await Promise.all(during.map((stream) => stream.until(ANSWER)));
  const { stdout, stderr } = await doomed.kill9();
  for (const stream of during) told.push(await stream.whole());
  await eventually(
    async () => (await admin.sql("SELECT 1 FROM usage_records WHERE state = 'RESERVED'")).length === 0,
    30_000,
  );
  // Earlier late calls may be among them.
  const swept = await admin.sql("SELECT DISTINCT tenant_id FROM usage_records WHERE state = 'SWEPT'");
  expect(swept).toHaveLength(world.places.length);

  const places = { stdout, stderr, log: log.text(), metrics, tables: await dump(admin.database.superuserUrl) };
  // The searched places were not empty.
  expect(places.stdout).toContain('A provider failed a call.');
  const secrets = new Set(world.places.map(({ kind }) => kind.secret));
  for (const canary of [PROMPT, ANSWER, ...secrets]) {
    for (const form of formsOf(canary)) {
      const found = Object.entries(places).filter(([, text]) => text.includes(form));
      expect({ canary, foundIn: found.map(([place]) => place) }).toEqual({ canary, foundIn: [] });
    }
  }
  for (const secret of secrets)
    for (const form of formsOf(secret)) expect(told.filter((text) => text.includes(form))).toEqual([]);
}, 120_000);

function formsOf(canary: string): string[] {
  const bytes = Buffer.from(canary);
  return [...new Set([canary, encodeURIComponent(canary), bytes.toString('hex'), bytes.toString('base64')])];
}
