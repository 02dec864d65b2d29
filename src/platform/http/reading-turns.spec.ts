import { ReadingTurns } from './reading-turns.js';

/** Makes each owner ask for a number of turns at once, and records each turn, and each turn of the event loop. */
async function run(wishes: readonly (readonly [string, number])[]): Promise<string[]> {
  const turns = new ReadingTurns();
  const log: string[] = [];
  let open = true;
  const tick = (): void => {
    log.push('|');
    if (open) setImmediate(tick);
  };
  setImmediate(tick);
  const all = wishes.flatMap(([owner, count]) =>
    Array.from({ length: count }, () => turns.next(owner).then(() => log.push(owner))),
  );
  await Promise.all(all);
  open = false;
  return log;
}

it('one at a time: the event loop runs between two of them', async () => {
  const log = (await run([['a', 8]])).join('');
  expect(log.match(/a/g)).toHaveLength(8);
  expect(log).not.toContain('aa');
});

it('owners take turns, however many one of them requested before the other', async () => {
  const log = await run([
    ['a', 5],
    ['b', 2],
  ]);
  expect(log.filter((entry) => entry !== '|').join('')).toBe('abab' + 'aaa');
});

it('an owner who asks again later is served again', async () => {
  const turns = new ReadingTurns();
  await turns.next('a');
  await turns.next('a');
  await expect(Promise.all([turns.next('a'), turns.next('b')])).resolves.toHaveLength(2);
});
