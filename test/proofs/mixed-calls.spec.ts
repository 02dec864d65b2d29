/**
 * However calls end, and however their humans' limits are set meanwhile: once all is idle, each limit has what it was set to
 * minus the ledger, nothing is reserved, and the ledger has each call that went upstream, once.
 */
import { randomInt } from 'node:crypto';
import http from 'node:http';
import { pause } from '../support/eventually.js';
import {
  UPSTREAM_MODEL,
  completion,
  errorBody,
  ordinaryAnswer,
  streamPieces,
  type UpstreamAnswer,
  type UpstreamRequest,
} from '../support/openai-upstream.js';
import { ProofCluster } from '../support/proof-cluster.js';
import { inForm } from '../support/proof-form.js';
import { COUNTED, units, type LimitValues, type SetLimit } from '../support/proof-limits.js';
import type { ServiceProcess } from '../support/service.js';

const CALLS = inForm(600, 10_000);
const PROCESSES = inForm(2, 4);
const AT_ONCE = 150;
/** The time-out for the first byte of an answer. */
const FIRST_BYTE_MS = inForm(2000, 5000);
/** Long enough that a busy machine still gets an answer that comes after the time-out. */
const TOTAL_MS = 3 * FIRST_BYTE_MS + 6000;
const HUMANS = 24;
/** These humans never get a limit. */
const UNLIMITED = 4;
/** The next humans may make one request each, and their other calls are refused. */
const EXHAUSTED = 2;
const FIRST_CHANGED = UNLIMITED + EXHAUSTED;

/** When the caller hangs up. */
type Leave = 'never' | 'at once' | 'once upstream has it' | 'once it flows';

interface Course {
  readonly leave?: Leave;
  /** The call is made where the provider's address refuses connections. */
  readonly refused?: true;
  /** The upstream's answer; absent: it is never asked, or answers as OpenAI would. */
  readonly answer?: (stream: boolean) => UpstreamAnswer;
}

const body = (answer: object, status = 200): UpstreamAnswer => ({ kind: 'body', status, body: answer });
const flowing = (over: Partial<Extract<UpstreamAnswer, { kind: 'stream' }>>): UpstreamAnswer => ({
  kind: 'stream',
  pieces: streamPieces(),
  ...over,
});

/** Every way in which a call can go. */
const COURSES: Readonly<Record<string, Course>> = {
  answered: {},
  'answered without usage': {
    answer: (stream) => (stream ? flowing({}) : body(completion({ usage: null }))),
  },
  'failed by the upstream': {
    answer: () => body(errorBody('Broken.', 'server_error'), 500),
  },
  'refused by the upstream': {
    answer: () => body(errorBody('Slow down.', 'rate_limit_error'), 429),
  },
  'cut off before the answer': { answer: () => ({ kind: 'cut' }) },
  'cut off amid the answer': {
    answer: (stream) => (stream ? flowing({ breakAfter: 4 }) : { kind: 'break', part: '{"id":"chat' }),
  },
  'answered too late': { answer: () => ({ kind: 'body', body: completion(), delayMs: FIRST_BYTE_MS + 500 }) },
  'never answered': { answer: () => ({ kind: 'hang' }) },
  'fallen silent': { answer: (stream) => (stream ? flowing({ stallAfter: 3 }) : { kind: 'hang' }) },
  'of an upstream that refuses connections': { refused: true },
  'left at once': { leave: 'at once' },
  'left before the answer': { leave: 'once upstream has it', answer: () => ({ kind: 'hang' }) },
  'left amid the answer': {
    leave: 'once it flows',
    answer: (stream) => (stream ? flowing({ stallAfter: 4 }) : { kind: 'hang' }),
  },
};

interface PlannedCall {
  readonly id: string;
  readonly course: string;
  readonly stream: boolean;
}

interface Row {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly outcome: string;
  readonly request_id: string;
  readonly requests: number;
  readonly estimated: boolean;
  readonly input_tokens: string;
  readonly output_tokens: string;
}

const one = <T>(of: readonly T[]): T => of[randomInt(of.length)]!;

function planned({ body: bytes }: Pick<UpstreamRequest, 'body'>): PlannedCall {
  const { messages } = JSON.parse(bytes.toString('utf8')) as { messages: { content: string }[] };
  return JSON.parse(messages[0]!.content) as PlannedCall;
}

/** Sends one call, and leaves when its course says so. Returns the status; 0: the caller got none. */
class Caller {
  private request: http.ClientRequest | null = null;

  constructor(
    private readonly call: PlannedCall,
    private readonly leave: Leave,
  ) {}

  send(process: ServiceProcess, headers: http.OutgoingHttpHeaders): Promise<number> {
    const { id, stream } = this.call;
    return new Promise((resolve) => {
      const request = http.request(new URL('/v1/chat/completions', process.baseUrl), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-id': id, ...headers },
      });
      this.request = request;
      let status = 0;
      request.on('response', (response) => {
        status = response.statusCode ?? 0;
        response.on('data', () => {
          if (this.leave === 'once it flows') request.destroy();
        });
        response.on('error', () => undefined);
        response.on('close', () => resolve(status));
      });
      request.on('error', () => undefined);
      request.on('close', () => resolve(status));
      const content = JSON.stringify(this.call);
      request.end(JSON.stringify({ model: UPSTREAM_MODEL, stream, messages: [{ role: 'user', content }] }));
      if (this.leave === 'at once') setTimeout(() => request.destroy(), randomInt(10));
    });
  }

  onUpstream(): void {
    if (this.leave === 'once upstream has it') this.request?.destroy();
    // A JSON answer never flows here.
    if (this.leave === 'once it flows' && !this.call.stream) this.request?.destroy();
  }
}

let cluster: ProofCluster;
let nobody: ServiceProcess;

beforeAll(async () => {
  const env = {
    GATEHOUSE_FIRST_BYTE_TIMEOUT_MS: String(FIRST_BYTE_MS),
    GATEHOUSE_IDLE_TIMEOUT_MS: String(FIRST_BYTE_MS),
    GATEHOUSE_TOTAL_TIMEOUT_MS: String(TOTAL_MS),
  };
  cluster = await ProofCluster.start({ processes: PROCESSES, env });
  nobody = await cluster.add({ ...env, OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', OPENAI_MODELS: UPSTREAM_MODEL });
}, 120_000);

afterAll(() => cluster.stop());

const nameOf = (human: number): string => `human-${human}`;

/** Sets some limit of some human. */
function setSome(): Promise<readonly SetLimit[]> {
  const value = (most: number): bigint | null => (randomInt(8) === 0 ? null : units(randomInt(most)));
  const limits: LimitValues = one([
    { request_cnt: value(40) },
    { token_cnt: value(200_000) },
    { request_cnt: value(40), token_cnt: value(200_000) },
    { cost_micros: value(50_000) },
    { cost_micros: null, token_cnt: value(200_000) },
  ]);
  return cluster.limit(nameOf(FIRST_CHANGED + randomInt(HUMANS - FIRST_CHANGED)), limits);
}

interface Made {
  /** The status that each call's caller got; 0: none. */
  readonly statuses: ReadonlyMap<string, number>;
  readonly set: readonly SetLimit[];
}

/** Makes every call, a few at a time; limits change during the first two thirds. */
async function makeAll(calls: readonly PlannedCall[], callers: Map<string, Caller>): Promise<Made> {
  const living = cluster.processes.filter((process) => process !== nobody);
  const statuses = new Map<string, number>();
  const set: SetLimit[] = [];
  for (let human = UNLIMITED; human < FIRST_CHANGED; human += 1)
    set.push(...(await cluster.limit(nameOf(human), { request_cnt: units(1) })));
  const waiting = [...calls];
  const work = async (): Promise<void> => {
    for (let call = waiting.pop(); call !== undefined; call = waiting.pop()) {
      const { leave = 'never', refused } = COURSES[call.course]!;
      const caller = new Caller(call, leave);
      callers.set(call.id, caller);
      const headers = await one(cluster.ways).headersFor(nameOf(randomInt(HUMANS)));
      statuses.set(call.id, await caller.send(refused === true ? nobody : one(living), headers));
    }
  };
  const setMeanwhile = async (): Promise<void> => {
    while (waiting.length > calls.length / 3) {
      set.push(...(await setSome()));
      await pause(10);
    }
  };
  await Promise.all([setMeanwhile(), ...Array.from({ length: AT_ONCE }, work)]);
  return { statuses, set };
}

it(`holds for ${CALLS} calls that are answered, fail, break, are left or time out, on ${PROCESSES} processes`, async () => {
  const { admin } = cluster;
  const calls = Array.from({ length: CALLS }, (_, index): PlannedCall => {
    const courses = Object.keys(COURSES);
    // Each course in turn, as JSON and as a stream.
    return { id: `call-${index}`, course: courses[index % courses.length]!, stream: randomInt(2) === 0 };
  });
  const courseOf = new Map(calls.map(({ id, course }) => [id, course]));
  const callers = new Map<string, Caller>();
  const upstreamSaw: string[] = [];
  admin.upstream.otherwise = (request) => {
    const { id, course, stream } = planned(request);
    upstreamSaw.push(id);
    callers.get(id)!.onUpstream();
    return COURSES[course]!.answer?.(stream) ?? ordinaryAnswer(request);
  };

  const { statuses, set } = await makeAll(calls, callers);
  // A proper stop, so that nothing is still on its way; calls that they left open are swept.
  await Promise.all(cluster.processes.map((process) => process.stop()));
  await admin.sql("SELECT sweep_usage('1 hour', '1 day')");

  // -- no reservation is open, none was corrected, each call has one row at most
  const rows = await admin.sql<Row & Record<string, unknown>>(
    `SELECT id, kind, state, outcome, request_id, requests, estimated, input_tokens, output_tokens FROM usage_records`,
  );
  expect(rows.filter(({ kind, state }) => kind !== 'CALL' || state !== 'SETTLED')).toEqual([]);
  const byId = new Map(rows.map((row) => [row.request_id, row]));
  expect(byId.size).toBe(rows.length);

  // -- what is in the ledger went upstream, once, but for what could not; nothing else did
  const saw = new Set<string>();
  // A call on a used connection that closed before any byte is sent again, on a new one.
  const again = upstreamSaw.filter((id) => saw.has(id) || !saw.add(id));
  expect(new Set(again).size).toBe(again.length);
  expect(again.filter((id) => courseOf.get(id) !== 'cut off before the answer')).toEqual([]);
  expect(upstreamSaw.filter((id) => !byId.has(id))).toEqual([]);
  // Not sent: the server did not listen, the caller had left, or a busy machine took too long to open a connection.
  const unsent = rows.filter(({ request_id: id }) => !saw.has(id) && COURSES[courseOf.get(id)!]!.refused !== true);
  for (const { outcome, requests, input_tokens: input, output_tokens: output } of unsent) {
    expect(['CLIENT_ABORTED', 'UPSTREAM_TIMEOUT', 'NOT_SENT']).toContain(outcome);
    if (outcome !== 'CLIENT_ABORTED')
      expect({ requests, input, output }).toEqual({ requests: 0, input: '0', output: '0' });
  }
  // Calls without a row were refused by the service itself, or their callers had left before.
  const unrecorded = calls
    .map((call) => ({ ...call, status: statuses.get(call.id) }))
    .filter(({ id, course, status }) => {
      const isRefused = status === 429 || status === 400 || status === 503;
      return !byId.has(id) && !isRefused && !(status === 0 && COURSES[course]!.leave === 'at once');
    });
  expect(unrecorded).toEqual([]);

  // -- each row says what became of its call: that is counted which came to something, or was left to the upstream's guess
  for (const row of rows) {
    const { outcome, requests, output_tokens: output, request_id: id } = row;
    const counted = outcome === 'OK' || output !== '0' || (outcome === 'CLIENT_ABORTED' && saw.has(id));
    if (outcome !== 'CLIENT_ABORTED' || saw.has(id))
      expect({ ...row, requests }).toMatchObject({ requests: counted ? 1 : 0 });
    if (outcome === 'OK' && courseOf.get(id) === 'answered') {
      expect(row).toMatchObject({ estimated: false, input_tokens: '9', output_tokens: '12' });
    }
    // The true usage arrived after its caller had got the time-out.
    if (courseOf.get(id) === 'answered too late' && saw.has(id)) {
      expect(row).toMatchObject({
        outcome: 'UPSTREAM_TIMEOUT',
        estimated: false,
        input_tokens: '9',
        output_tokens: '12',
      });
    }
  }

  // -- what is left of each limit is its last value less the ledger of that epoch
  const values = new Map(set.map(({ humanId, type, epoch, value }) => [`${humanId} ${type} ${epoch}`, value]));
  const accounts = await cluster.accounts();
  expect(accounts).toHaveLength(HUMANS * COUNTED.length);
  for (const account of accounts) {
    const { humanId, type, epoch, left, reserved, spent, held } = account;
    const value = epoch === null ? null : values.get(`${humanId} ${type} ${epoch}`);
    expect({ account, left, reserved, held }).toEqual({
      account,
      left: value === null || value === undefined ? value : value - spent,
      reserved: 0n,
      held: 0n,
    });
    if (value === null) expect({ account, spent }).toEqual({ account, spent: 0n });
  }

  // -- and all of that happened: every ending, limits that refused and limits that were charged
  expect([...new Set(rows.map(({ outcome }) => outcome))]).toEqual(
    expect.arrayContaining(['OK', 'CLIENT_ABORTED', 'UPSTREAM_ERROR', 'UPSTREAM_BROKEN', 'UPSTREAM_TIMEOUT']),
  );
  expect(calls.filter(({ id }) => statuses.get(id) === 429 && !byId.has(id)).length).toBeGreaterThan(0);
  expect(accounts.filter(({ left, spent }) => left !== null && spent > 0n).length).toBeGreaterThan(0);
}, 900_000);
