import { Fault } from '../../platform/errors/index.js';
import { QueryTurns } from './query-turns.js';

/** Work that ends when the test says so. */
function work() {
  const nothing = (): void => undefined;
  const events = { begun: false, end: nothing, fail: nothing };
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      events.begun = true;
      events.end = resolve;
      events.fail = () => reject(new Error('broke'));
    });
  return { events, run };
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
};

it('runs so many at once, the others in order as turns come free, whether by an end or an error', async () => {
  const turns = new QueryTurns(2, 10);
  const works = [work(), work(), work(), work()];
  const ends = works.map(({ run }) => turns.run('acme', run).catch(() => 'broke'));
  await settled();
  expect(works.map(({ events }) => events.begun)).toEqual([true, true, false, false]);
  works[1]!.events.fail();
  await settled();
  expect(works.map(({ events }) => events.begun)).toEqual([true, true, true, false]);
  for (const { events } of works) {
    events.end();
    await settled();
  }
  expect(await Promise.all(ends)).toEqual([undefined, 'broke', undefined, undefined]);
  const free = [work(), work(), work()];
  for (const { run } of free) void turns.run('acme', run);
  await settled();
  expect(free.map(({ events }) => events.begun)).toEqual([true, true, false]);
});

it('tells whoever comes when too many wait to come again', async () => {
  const turns = new QueryTurns(1, 1);
  const [running, waiting] = [work(), work()];
  void turns.run('acme', running.run);
  void turns.run('globex', waiting.run);
  await expect(turns.run('initech', () => Promise.resolve())).rejects.toMatchObject({
    kind: 'unavailable',
    retryAfterSeconds: 2,
  });
  await expect(turns.run('initech', () => Promise.resolve())).rejects.toBeInstanceOf(Fault);
});

it('leaves places to others, however many one tenant asks for', async () => {
  const turns = new QueryTurns(1, 30);
  const works = Array.from({ length: 5 }, work);
  for (const { run } of works) void turns.run('acme', run);
  await expect(turns.run('acme', () => Promise.resolve())).rejects.toMatchObject({ kind: 'unavailable' });
  const theirs = work();
  void turns.run('globex', theirs.run);
  for (const { events } of works) {
    events.end();
    await settled();
  }
  expect(theirs.events.begun).toBe(true);
  theirs.events.end();
  await settled();
  await expect(turns.run('acme', () => Promise.resolve('again'))).resolves.toBe('again');
});
