import { mock } from 'node:test';
import { FairTurns } from './fair-turns.js';
import type { ShareOwner } from './share.js';

const NAMES = { what: 'queries', ofTenantSetting: 'OF_TENANT', ofOrgSetting: 'OF_ORG', allSetting: 'ALL' };
const LIMITS = { ...NAMES, most: 4, ofTenant: 2, ofOrg: 3, waitingOfTenant: 10, waitMs: 60_000 };
const of = (tenantId: string, orgId = `org of ${tenantId}`) => ({ tenantId, orgId });

/** Work that ends when the test says so, in the order of its start. */
class Stage {
  readonly begun: string[] = [];
  private readonly ends = new Map<string, ((error?: Error) => void)[]>();

  constructor(private readonly turns: FairTurns) {}

  start(owner: ShareOwner): Promise<string> {
    const { tenantId } = owner;
    const run = this.turns.run(
      owner,
      () =>
        new Promise<string>((resolve, reject) => {
          this.begun.push(tenantId);
          const ends = this.ends.get(tenantId) ?? [];
          ends.push((error) => (error === undefined ? resolve(tenantId) : reject(error)));
          this.ends.set(tenantId, ends);
        }),
    );
    run.catch(() => undefined);
    return run;
  }

  async end(tenantId: string, error?: Error): Promise<void> {
    this.ends.get(tenantId)!.shift()!(error);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

it('runs a bounded number for a tenant and for an org, and the others as turns become free, by an end or an error', async () => {
  const turns = new FairTurns(LIMITS);
  const stage = new Stage(turns);
  for (const tenant of ['a', 'a', 'a', 'b', 'b']) void stage.start(of(tenant, 'org'));
  expect(stage.begun).toEqual(['a', 'a', 'b']);
  expect(turns).toMatchObject({ taken: 3, waiting: 2 });
  await stage.end('a', new Error('broke'));
  expect(stage.begun).toHaveLength(4);
  for (const tenant of ['a', 'b']) await stage.end(tenant);
  await stage.end(stage.begun[3]!);
  await stage.end(stage.begun[4]!);
  expect(turns).toMatchObject({ taken: 0, waiting: 0 });
});

it('serves the orgs in turn, and within an org the tenants, however many wait for one', async () => {
  const stage = new Stage(new FairTurns({ ...LIMITS, most: 1, ofTenant: 1, ofOrg: 1 }));
  for (const tenant of ['a1', 'a1', 'a1', 'a2', 'a2']) void stage.start(of(tenant, 'a'));
  for (const tenant of ['b', 'b']) void stage.start(of(tenant));
  for (let turn = 0; turn < 6; turn += 1) await stage.end(stage.begun[turn]!);
  expect(stage.begun.slice(0, 5)).toEqual(['a1', 'a1', 'b', 'a2', 'b']);
});

it('serves another org at once where one has all its turns, however many of it wait', async () => {
  const stage = new Stage(new FairTurns(LIMITS));
  for (let tenant = 0; tenant < 30; tenant += 1) void stage.start(of(`a${tenant}`, 'a'));
  expect(stage.begun).toHaveLength(3);
  void stage.start(of('b'));
  expect(stage.begun[3]).toBe('b');
});

it('refuses at once what exceeds the queue, of a tenant and of an org', async () => {
  const turns = new FairTurns({ ...LIMITS, ofTenant: 1, ofOrg: 1, waitingOfTenant: 1 });
  const stage = new Stage(turns);
  void stage.start(of('a', 'org'));
  void stage.start(of('a', 'org'));
  const refused = {
    kind: 'rate_limited',
    code: 'concurrency_limit_exceeded',
    retryAfterSeconds: expect.any(Number) as number,
  };
  await expect(stage.start(of('a', 'org'))).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('OF_TENANT') as string,
  });
  for (const tenant of ['b', 'c', 'd']) void stage.start(of(tenant, 'org'));
  await expect(stage.start(of('e', 'org'))).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('OF_ORG') as string,
  });
  expect(turns).toMatchObject({ waiting: 4, refused: 2 });
});

it('refuses what waited too long, naming the share that was full', async () => {
  const turns = new FairTurns({ ...LIMITS, most: 2, ofTenant: 1, ofOrg: 1, waitMs: 1 });
  const stage = new Stage(turns);
  for (const tenant of ['a', 'b']) void stage.start(of(tenant));
  await expect(stage.start(of('a'))).rejects.toMatchObject({ kind: 'rate_limited' });
  await expect(stage.start(of('c'))).rejects.toMatchObject({ kind: 'unavailable' });
  expect(turns).toMatchObject({ taken: 2, waiting: 0, refused: 2 });
  for (const tenant of ['a', 'b']) await stage.end(tenant);
  expect(await Promise.all([stage.start(of('c')), stage.end('c')])).toEqual(['c', undefined]);
});

describe('a tenant with a long line', () => {
  const LONG = { ...LIMITS, most: 3, ofTenant: 2, ofOrg: 3, waitingOfTenant: 10, restingFrom: 3 };
  /** The longest rest. */
  const REST_MS = 100;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
  });

  afterEach(() => mock.timers.reset());

  it('rests after each turn, while others take the turn that rests', async () => {
    const turns = new FairTurns(LONG);
    const stage = new Stage(turns);
    for (let call = 0; call < 6; call += 1) void stage.start(of('a'));
    for (const tenant of ['b', 'c']) void stage.start(of(tenant));
    expect(stage.begun).toEqual(['a', 'a', 'b']);
    await stage.end('a');
    expect(stage.begun).toEqual(['a', 'a', 'b', 'c']);
    expect(turns).toMatchObject({ taken: 3, waiting: 4, resting: 1 });
    await stage.end('c');
    expect(turns).toMatchObject({ taken: 2, waiting: 4, resting: 1 });
    mock.timers.tick(REST_MS);
    await new Promise((resolve) => setImmediate(resolve));
    expect(turns.resting).toBe(0);
    expect(stage.begun).toEqual(['a', 'a', 'b', 'c', 'a']);
  });

  it('rests no more once its line is short', async () => {
    const turns = new FairTurns(LONG);
    const stage = new Stage(turns);
    for (let call = 0; call < 5; call += 1) void stage.start(of('a'));
    await stage.end('a');
    expect(turns).toMatchObject({ taken: 2, waiting: 2, resting: 0 });
  });

  it('does not rest where the service works for itself', async () => {
    const turns = new FairTurns(LONG);
    const stage = new Stage(turns);
    for (let call = 0; call < 6; call += 1) void stage.start({ ...of('own'), isService: true });
    await stage.end('own');
    expect(turns).toMatchObject({ taken: 2, waiting: 3, resting: 0 });
  });
});
