/**
 * The clients that applications use, and the real answers of providers: each client asks the provider itself, and asks through
 * the service. An answer that works without the service comes through unchanged; the tables say what happens to the others.
 */
import { readFile } from 'node:fs/promises';
import { pause } from '../../support/eventually.js';
import { ANSWERS, ORDINARY } from './answer.rows.js';
import { CLIENTS, type Client } from './clients.js';
import { ClientWorld, type Outcome, type Way } from './client-world.js';
import { HANG_UPS } from './hang-up.rows.js';
import { REFUSALS } from './refusal.rows.js';
import { REQUESTS } from './request.rows.js';
import { RETRIES } from './retry.rows.js';
import { FORMS, getsOf, type Form, type Gets, type Row } from './row.js';

let world: ClientWorld;

beforeAll(async () => {
  world = await ClientWorld.start();
});

afterAll(() => world.stop());

interface Asker {
  readonly form: Form;
  readonly client: Client;
}

const EACH: readonly Asker[] = FORMS.flatMap((form) => CLIENTS.map((client) => ({ form, client })));

/** Each client has a human of its own in each row, so that their charges can be told apart. */
const humanOf = (row: { readonly what: string }, { form, client }: Asker): string => `${row.what}: ${form}, ${client}`;

const ask = (row: Row, { form, client }: Asker, way: Way, retries = 0): Promise<Outcome> =>
  world.ask({ ...row, answers: row.answers(form), client, form, way, human: humanOf(row, { form, client }), retries });

/** As many as two processors can answer without long waits. */
const FEW = 4;

/** Has every client ask, a few at once; each test then checks its own. */
function askedByEach(
  row: Row,
  ways: readonly Way[],
  { retries = 0, atOnce = FEW } = {},
): (asker: Asker, way: Way) => Promise<Outcome> {
  const asked = new Map<string, Promise<Outcome>>();
  const key = ({ form, client }: Asker, way: Way): string => [form, client, way].join();
  beforeAll(() => {
    const calls = EACH.flatMap((asker) => ways.map((way) => ({ asker, way })));
    const lanes = Array.from({ length: atOnce }, (): Promise<unknown> => Promise.resolve());
    for (const [index, { asker, way }] of calls.entries()) {
      const call = lanes[index % atOnce]!.then(() => ask(row, asker, way, retries));
      asked.set(key(asker, way), call);
      lanes[index % atOnce] = call;
    }
  });
  return (asker, way) => asked.get(key(asker, way))!;
}

function expectToGet({ said }: Outcome, { text = '', toolCalls = [], error }: Gets): void {
  expect(said).toMatchObject({ text, toolCalls });
  if (error === undefined) expect(said.error).toBeNull();
  else {
    expect(said.error?.message).toContain(error.message);
    if (error.status !== null) expect(said.error?.status).toBe(error.status);
  }
}

async function expectCharges(row: Row): Promise<void> {
  const { charged, refusedBy } = row;
  const count = EACH.length - (refusedBy?.clients.length ?? 0) * FORMS.length;
  for (const charge of await world.charges(`${row.what}: `, count)) {
    const { human, tokens } = charge;
    expect(charge).toMatchObject({ human, exact: true, requests: charged.requests });
    expect([human, charge.estimated]).toEqual([human, charged.tokens === 'estimate']);
    if (charged.tokens !== 'estimate') expect([human, tokens]).toEqual([human, charged.tokens]);
    // The prompt is about 35 tokens, with a chat's framing, and the answer at most 5.
    else expect([human, tokens > 20 && tokens < 60]).toEqual([human, true]);
    if (charged.costMicros !== undefined) expect(charge).toMatchObject({ human, costMicros: charged.costMicros });
  }
}

describe.each(ORDINARY)('an ordinary answer, $what,', (row) => {
  const outcome = askedByEach(row, ['straight', 'through']);

  it.each(EACH)('is the same for $client with and without the service, as $form', async (asker) => {
    const straight = await outcome(asker, 'straight');
    expectToGet(straight, getsOf(row, asker.form));
    expect((await outcome(asker, 'through')).said).toEqual(straight.said);
  });

  it('is charged as the provider reported it', () => expectCharges(row));
});

describe.each([...ANSWERS, ...REFUSALS, ...REQUESTS])('$what', (row) => {
  const outcome = askedByEach(row, ['straight', 'through']);
  const refused = row.refusedBy;

  it.each(EACH.filter(({ client }) => refused?.clients.includes(client) !== true))(
    'gives $client what the table says, and never less than without the service, as $form',
    async (asker) => {
      const [straight, through] = [await outcome(asker, 'straight'), await outcome(asker, 'through')];
      const gets = getsOf(row, asker.form);
      expectToGet(through, gets);
      const works = gets.error === undefined && straight.said.error === null && straight.said.text === gets.text;
      if (works) expect(through.said).toEqual(straight.said);
      if (row.unlimited === true) expect(through.bodies).toEqual(straight.bodies);
    },
  );

  if (refused !== undefined) {
    it.each(EACH.filter(({ client }) => refused.clients.includes(client)))(
      'is refused by $client itself, as $form',
      async (asker) => {
        for (const way of ['straight', 'through'] as const) {
          const { said, bodies } = await outcome(asker, way);
          expect(said.error?.message).toContain(refused.message);
          expect(bodies).toEqual([]);
        }
      },
    );
  }

  it('is charged to each client alike', () => expectCharges(row));
});

describe('a kept connection that is reset before a byte', () => {
  it.each(EACH)('does not disturb $client, which need not retry, as $form', async (asker) => {
    const [row] = RETRIES.filter(({ what }) => what === 'a connection that is reset before a byte') as [Row];
    const human = `a kept connection: ${humanOf(row, asker)}`;
    const question = { ...row, ...asker, way: 'through', human } as const;
    const [, whole] = row.answers(asker.form);
    await world.ask({ ...question, answers: [whole!] });
    const outcome = await world.ask({ ...question, answers: row.answers(asker.form) });
    expectToGet(outcome, getsOf(row, asker.form));
    expect(outcome.bodies).toHaveLength(2);
    expect(await world.charges(human, 1)).toMatchObject([{ tokens: 36, requests: 2, exact: true }]);
  });
});

describe('a client that tries again', () => {
  const each = RETRIES.map((row) => ({
    row,
    what: row.what,
    outcome: askedByEach(row, ['through'], { retries: 2, atOnce: EACH.length }),
  }));

  describe.each(each)('after $what', ({ row, outcome }) => {
    it.each(EACH)('gives $client its answer, as $form', async (asker) => {
      expectToGet(await outcome(asker, 'through'), getsOf(row, asker.form));
    });

    it('charges one answer', () => expectCharges(row));
  });
});

describe('an answer that broke off, and is charged', () => {
  /** The other clients do not read `x-should-retry`. */
  const heed = (client: Client): boolean => client.startsWith('openai ');
  const broken = { kind: 'break', part: '{"id":"c","choices":[{"index":0,"message":{"content":"Hello from' } as const;

  const askTwice = (asker: Asker): Promise<Outcome> => {
    const [whole] = ORDINARY[0]!.answers(asker.form);
    const human = `broken off: ${humanOf({ what: 'retry' }, asker)}`;
    return world.ask({ ...asker, way: 'through', human, answers: [broken, whole!], retries: 2 });
  };

  it.each(EACH.filter(({ client }) => heed(client)))('is not asked for again by $client, as $form', async (asker) => {
    const outcome = await askTwice(asker);
    expectToGet(outcome, { error: { status: 502, message: 'broke off' } });
    expect(outcome.bodies).toHaveLength(1);
  });

  it.each(EACH.filter(({ client }) => !heed(client)))('is asked for again by $client, as $form', async (asker) => {
    const outcome = await askTwice(asker);
    expectToGet(outcome, { text: 'Hello from the upstream.' });
    expect(outcome.bodies).toHaveLength(2);
  });

  it('is charged once, and so is the answer of a client that asked again', async () => {
    for (const { human, requests } of await world.charges('broken off: ', EACH.length))
      expect([human, requests]).toEqual([human, human.includes(', openai ') ? 1 : 2]);
  });
});

describe.each(HANG_UPS)('a caller who leaves $what', (row) => {
  it.each(EACH.filter(({ form }) => row.forms.includes(form)))(
    'is charged for the produced output: $client, as $form',
    async (asker) => {
      let leave = (): void => undefined;
      const left = new Promise<void>((resolve) => (leave = resolve));
      const human = humanOf(row, asker);
      const { said } = await world.ask({
        asks: { model: row.model, ...(asker.form === 'stream' ? { leavesAt: row.leavesAt } : {}) },
        ...asker,
        way: 'through',
        human,
        answers: [row.answer(asker.form, left)],
        hangsUp: asker.form === 'JSON',
      });
      // Waits until the service has noticed it.
      await pause(20);
      leave();
      if (asker.form === 'stream')
        expect(said).toMatchObject({ text: expect.stringContaining(row.leavesAt), error: null });
      else expect(said.text).toBe('');
      expect(await world.charges(human, 1)).toMatchObject([{ output: row.output, requests: 1, exact: true }]);
    },
  );
});

describe('the guide', () => {
  it('names the versions of the clients that these tests use', async () => {
    const major = async (folder: string): Promise<string> => {
      const text = await readFile(`node_modules/${folder}/package.json`, 'utf8');
      return (JSON.parse(text) as { readonly version: string }).version.split('.')[0]!;
    };
    const majors = async (...folders: string[]): Promise<string> => (await Promise.all(folders.map(major))).join(', ');
    const rows = (await readFile('docs/guides/calling.md', 'utf8'))
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(([, name, versions]) => `${name}: ${versions}`);
    expect(rows).toEqual(
      expect.arrayContaining([
        `\`openai\`: ${await majors('openai4', 'openai6', 'openai')}`,
        `\`ai\` with \`@ai-sdk/openai\`: ${await majors('ai', '@ai-sdk/openai')}`,
        `\`ai\` with \`@ai-sdk/openai-compatible\`: ${await majors('ai', '@ai-sdk/openai-compatible')}`,
        `\`@langchain/openai\`: ${await majors('@langchain/openai')}`,
      ]),
    );
  });
});
