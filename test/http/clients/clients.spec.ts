/**
 * The clients that applications call with, and what providers really answer: each client asks the provider itself, and then
 * asks through the service. What works without the service comes through as it is, and what does not work, as the tables say.
 */
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';
import { UPSTREAM_MODEL, type UpstreamAnswer, type UpstreamRequest } from '../../support/openai-upstream.js';
import { PROVIDER_SECRET, startService, type Org, type TestService } from '../../support/service.js';
import { ANSWERS, ORDINARY } from './answer.rows.js';
import { CLIENTS, ClientProcess, type Client, type Said } from './client-process.js';
import { REFUSALS } from './refusal.rows.js';
import { REQUESTS } from './request.rows.js';
import { RETRIES } from './retry.rows.js';
import { FORMS, ofForm, type Form, type Gets, type Row } from './row.js';

const TOKENS = 50_000_000;
const REQUESTS_LEFT = 100;

let service: TestService;
let org: Org;
let key: string;
let clients: ClientProcess;

/** What the provider answers to the calls of one prompt, one after the other. */
const scripts = new Map<string, UpstreamAnswer[]>();
const PROMPT = /Say hello to ([\w-]+)\./;

function scripted({ body }: UpstreamRequest): UpstreamAnswer {
  const answer = scripts.get(PROMPT.exec(body.toString())?.[1] ?? '')?.shift();
  if (answer === undefined) throw new Error('The provider was asked once more than the test says.');
  return answer;
}

beforeAll(async () => {
  clients = ClientProcess.start();
  service = await startService();
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org, { requestsPerMinute: 100_000 }));
  await service.asUser({ user: org.user, tenant: org.tenantId }, 'tenants/update', {
    tenantId: org.tenantId,
    defaultLimits: [
      { type: 'token_cnt', value: TOKENS },
      { type: 'request_cnt', value: REQUESTS_LEFT },
    ],
  });
  service.upstream.otherwise = scripted;
});

afterAll(async () => {
  await clients.stop();
  await service.stop();
});

type Way = 'straight' | 'through';

/** Each client has a human of its own for each row and form, so that what was charged can be told apart. */
const humanOf = (row: Row, form: Form, client: Client): string => `${row.what}, ${form}, ${client}`;

function ask(row: Row, form: Form, client: Client, way: Way, retries = 0): Promise<Said> {
  const mark = randomUUID();
  scripts.set(mark, [...row.answers(form)]);
  const human = encodeURIComponent(humanOf(row, form, client));
  return clients.ask({
    model: UPSTREAM_MODEL,
    ...row.asks,
    client,
    stream: form === 'stream',
    prompt: `Say hello to ${mark}.`,
    retries,
    ...(way === 'straight'
      ? { baseUrl: service.upstream.baseUrl, key: PROVIDER_SECRET, headers: {} }
      : {
          baseUrl: `${service.baseUrl}/v1`,
          key,
          headers: { 'x-human-id': human, 'x-human-id-encoding': 'percent' },
        }),
  });
}

function expectToGet(said: Said, { text, toolCalls = [], error }: Gets): void {
  expect(said).toMatchObject({
    text: text ?? '',
    toolCalls,
    error:
      error === undefined
        ? null
        : { status: error.status, message: expect.stringContaining(error.message) as string },
  });
}

const EACH = FORMS.flatMap((form) => CLIENTS.map((client) => ({ form, client })));

interface Lost {
  readonly human: string;
  readonly tokens: number;
  readonly requests: number;
  readonly estimated: boolean;
  readonly cost: number;
}

/** What each client's human lost of its limits by a row's calls, once none of them is open. */
async function lostBy(row: Row): Promise<Lost[]> {
  let lost: (Lost & { readonly open: boolean })[] = [];
  await eventually(async () => {
    lost = await service.sql(
      `SELECT h.human, ($2 - h.token_cnt / 1e6)::float8 AS tokens, ($3 - h.request_cnt / 1e6)::float8 AS requests,
              bool_or(r.estimated) AS estimated, (sum(r.cost_pico_usd) / 1e6)::float8 AS cost,
              bool_or(r.state = 'RESERVED') AS open
       FROM ${HUMAN_LIMITS} AS h JOIN usage_records r ON r.human_id = h.id
       WHERE h.human LIKE $1 || ', %' GROUP BY h.human, h.token_cnt, h.request_cnt`,
      [row.what, TOKENS, REQUESTS_LEFT],
    );
    return lost.length === EACH.length && lost.every(({ open }) => !open);
  });
  return lost;
}

async function expectCharges(row: Row): Promise<void> {
  for (const { human, tokens, requests, estimated, cost } of await lostBy(row)) {
    const charged = ofForm(row.charged, human.includes(', JSON, ') ? 'JSON' : 'stream');
    const isEstimate = charged.tokens === 'estimate';
    expect({ human, estimated, requests, tokens: isEstimate && tokens > 10 && tokens < 60 ? 'estimate' : tokens }).toEqual({
      human,
      estimated: isEstimate,
      requests: charged.requests,
      tokens: charged.tokens,
    });
    if (charged.costMicros !== undefined) expect([human, cost]).toEqual([human, charged.costMicros]);
  }
}

describe.each(ORDINARY)('an ordinary answer: $what', (row) => {
  it.each(EACH)('$client gets the same of $form with and without the service', async ({ form, client }) => {
    const straight = await ask(row, form, client, 'straight');
    expectToGet(straight, ofForm(row.gets, form));
    expect(await ask(row, form, client, 'through')).toEqual(straight);
  });

  it('is charged as it was reported', () => expectCharges(row));
});

describe.each([...ANSWERS, ...REFUSALS, ...REQUESTS])('$what', (row) => {
  it.each(EACH)('is for $client what it is without the service, or better: $form', async ({ form, client }) => {
    const [straight, through] = await Promise.all([
      ask(row, form, client, 'straight'),
      ask(row, form, client, 'through'),
    ]);
    const gets = ofForm(row.gets, form);
    if (process.env['SHOW']) console.log(JSON.stringify({ row: row.what, form, client, straight, through }));
    expectToGet(through, gets);
    if (straight.error === null && straight.text === (gets.text ?? '')) expect(through).toEqual(straight);
  });

  it('is charged to each client alike', () => expectCharges(row));
});
