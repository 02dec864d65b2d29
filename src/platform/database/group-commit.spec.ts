import { eventually, pause, watch } from '../../../test/support/eventually.js';
import { Fault } from '../errors/index.js';
import { GroupCommit } from './group-commit.js';

interface Statement {
  readonly items: readonly string[];
  finish(): void;
  fail(error: unknown): void;
}

/** A database whose statements end when the test says so. */
class ManualDatabase {
  readonly statements: Statement[] = [];

  readonly run = (items: readonly string[]): Promise<readonly string[]> =>
    new Promise((resolve, reject) => {
      this.statements.push({ items, finish: () => resolve(items.map((item) => `${item}!`)), fail: reject });
    });

  /** Waits until this many statements were sent; returns the last of them. */
  async sent(count: number): Promise<Statement> {
    await eventually(() => this.statements.length >= count);
    expect(this.statements).toHaveLength(count);
    return this.statements.at(-1)!;
  }
}

let database: ManualDatabase;
let abandoned: string[];
let commits: GroupCommit<string, string>;

function groupCommit(waitMs: number, maxItems = 100): GroupCommit<string, string> {
  return new GroupCommit({
    what: 'The counter',
    run: database.run,
    maxItems,
    waitMs,
    onAbandoned: (item) => abandoned.push(item),
  });
}

beforeEach(() => {
  database = new ManualDatabase();
  abandoned = [];
  commits = groupCommit(60_000);
});

const UNAVAILABLE = expect.objectContaining({ kind: 'unavailable', status: 503 }) as Fault;
const settle = (promises: Promise<string>[]): Promise<PromiseSettledResult<string>[]> => Promise.allSettled(promises);
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `item ${index}`);

describe('items that come together', () => {
  it('become one statement, and each gets its own result', async () => {
    const results = Promise.all(names(100).map((name) => commits.add(name)));
    (await database.sent(1)).finish();
    expect(await results).toEqual(names(100).map((name) => `${name}!`));
  });

  it('during an open statement are collected for the next', async () => {
    const first = commits.add('first');
    await database.sent(1);
    const rest = names(50).map((name) => commits.add(name));
    await pause(20);
    expect(database.statements).toHaveLength(1);
    database.statements[0]!.finish();
    (await database.sent(2)).finish();
    expect(await Promise.all([first, ...rest])).toHaveLength(51);
    expect(database.statements[1]!.items).toEqual(names(50));
  });

  it('become several statements where they exceed the limit of one, in the order of their arrival', async () => {
    commits = groupCommit(60_000, 40);
    const results = Promise.all(names(100).map((name) => commits.add(name)));
    for (const count of [1, 2, 3]) (await database.sent(count)).finish();
    expect(await results).toEqual(names(100).map((name) => `${name}!`));
    expect(database.statements.map(({ items }) => items.length)).toEqual([40, 40, 20]);
    expect(database.statements.flatMap(({ items }) => items)).toEqual(names(100));
  });

  it('are answered only once their statement has ended', async () => {
    const watched = watch(commits.add('a'));
    const statement = await database.sent(1);
    await pause(20);
    expect(watched.ending).toBeUndefined();
    statement.finish();
    await eventually(() => watched.ending !== undefined);
    expect(watched.ending).toEqual({ value: 'a!' });
  });
});

describe('an item that the database refuses', () => {
  it('fails by itself: the others of its batch are committed', async () => {
    const results = settle(names(4).map((name) => commits.add(name)));
    (await database.sent(1)).fail(new Error('check violation'));
    for (const index of [0, 1, 2, 3]) {
      const alone = await database.sent(index + 2);
      if (index === 2) alone.fail(new Error('check violation'));
      else alone.finish();
    }
    expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(database.statements.slice(1).map(({ items }) => items)).toEqual(names(4).map((name) => [name]));
  });

  it('fails with the error of its own statement', async () => {
    const error = new Error('check violation');
    const result = commits.add('a');
    (await database.sent(1)).fail(error);
    await expect(result).rejects.toBe(error);
  });

  it('does not block the next one', async () => {
    const failed = settle([commits.add('a')]);
    (await database.sent(1)).fail(new Error('x'));
    await failed;
    const next = commits.add('b');
    (await database.sent(2)).finish();
    expect(await next).toBe('b!');
  });
});

describe('a database that can not be reached', () => {
  it('refuses the whole batch with its fault, once: a possibly committed batch is not sent again item by item', async () => {
    const results = settle(names(3).map((name) => commits.add(name)));
    (await database.sent(1)).fail(new Fault('unavailable', 'gone'));
    expect(await results).toEqual(names(3).map(() => ({ status: 'rejected', reason: UNAVAILABLE })));
    await pause(20);
    expect(database.statements).toHaveLength(1);
    expect(abandoned).toEqual(names(3));
  });
});

describe('a database that hangs', () => {
  beforeEach(() => {
    commits = groupCommit(50);
  });

  it('refuses with 503 all who wait, sent or not, and later ones at once', async () => {
    const sent = settle(names(3).map((name) => commits.add(name)));
    await database.sent(1);
    const queued = settle([commits.add('queued')]);
    for (const results of [await sent, await queued]) {
      for (const result of results) expect(result).toEqual({ status: 'rejected', reason: UNAVAILABLE });
    }
    await expect(commits.add('newcomer')).rejects.toEqual(UNAVAILABLE);
    expect((await commits.add('newcomer').catch((error: unknown) => error)) as Fault).toMatchObject({
      retryAfterSeconds: 2,
    });
    expect(database.statements).toHaveLength(1);
  });

  it('reports the sent ones once their statement has ended and not before; others never', async () => {
    const sent = settle([commits.add('a'), commits.add('b')]);
    const statement = await database.sent(1);
    const queued = settle([commits.add('queued')]);
    await sent;
    await queued;
    await commits.add('newcomer').catch(() => undefined);
    expect(abandoned).toEqual([]);
    statement.finish();
    await eventually(() => abandoned.length > 0);
    expect(abandoned).toEqual(['a', 'b']);
  });

  it('reports those whose statement failed in the end, once each', async () => {
    const sent = settle([commits.add('a'), commits.add('b')]);
    const statement = await database.sent(1);
    await sent;
    statement.fail(new Fault('unavailable', 'gone'));
    await eventually(() => abandoned.length > 0);
    await pause(20);
    expect(abandoned).toEqual(['a', 'b']);
  });

  it('is used again once the statement has ended', async () => {
    const refused = settle([commits.add('a')]);
    const statement = await database.sent(1);
    await refused;
    statement.finish();
    await eventually(() => abandoned.length > 0);
    const next = commits.add('b');
    (await database.sent(2)).finish();
    expect(await next).toBe('b!');
    expect(abandoned).toEqual(['a']);
  });
});
