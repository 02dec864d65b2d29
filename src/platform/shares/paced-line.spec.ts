import { mock } from 'node:test';
import { PacedLine } from './paced-line.js';

/** At 100 a second: 2 at once, and one for each 10 ms. */
const OPTIONS = { perSecond: 100, waiting: 16 };

let line: PacedLine;
let nowMs: number;
let begun: string[];

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  nowMs = 0;
  begun = [];
  line = new PacedLine(OPTIONS, () => nowMs);
});

afterEach(() => mock.timers.reset());

function pass(milliseconds: number): void {
  for (let tick = 0; tick < milliseconds; tick += 5) {
    nowMs += 5;
    mock.timers.tick(5);
  }
}

const wait = (group: string, member = group) => line.wait({ group, member }, () => begun.push(member));

/** Uses up what may begin at once. */
function crowd(): void {
  while (line.take());
}

it('work that comes within the pace begins at once', () => {
  for (let one = 0; one < 50; one += 1) {
    expect(line.take()).toBe(true);
    nowMs += 10;
  }
  expect(line).toMatchObject({ waiting: 0, delayed: 0, refused: 0 });
});

it('work that comes faster begins at the pace, in the order in which it came', () => {
  expect([line.take(), line.take(), line.take()]).toEqual([true, true, false]);
  for (const name of ['1', '2', '3', '4']) line.wait({ group: 'one', member: 'one' }, () => begun.push(name));
  // What comes later does not pass those who wait.
  pass(5);
  expect([line.take(), begun]).toEqual([false, []]);
  pass(5);
  expect(begun).toEqual(['1']);
  pass(20);
  expect(begun).toEqual(['1', '2', '3']);
  pass(20);
  expect(begun).toEqual(['1', '2', '3', '4']);
  expect(line).toMatchObject({ waiting: 0, delayed: 4 });
});

it('a pause gives no more than may begin at once', () => {
  crowd();
  for (let one = 0; one < 4; one += 1) wait('one');
  nowMs += 10_000;
  mock.timers.tick(5);
  expect(begun).toHaveLength(2);
});

it('groups take turns, and within a group its members', () => {
  crowd();
  for (const member of ['a', 'a', 'a', 'b', 'c']) wait('strangers', member);
  wait('tenant');
  wait('tenant');
  pass(100);
  expect(begun).toEqual(['a', 'tenant', 'b', 'tenant', 'c', 'a', 'a']);
});

it('who leaves the line leaves nothing in it, and takes no turn', () => {
  crowd();
  const places = [wait('one'), wait('one'), wait('other')];
  for (const place of places.slice(0, 2)) place?.leave();
  places[0]?.leave();
  expect(line.waiting).toBe(1);
  pass(10);
  expect(begun).toEqual(['other']);
  places[2]?.leave();
  expect(line.waiting).toBe(0);
  pass(20);
  expect([line.take(), line.take()]).toEqual([true, true]);
});

it('a member has a quarter of the line at most, a group half, and of what is free twice', () => {
  crowd();
  const inLine = (group: string, member?: string): number => {
    let count = 0;
    while (wait(group, member) !== null) count += 1;
    return count;
  };
  expect([inLine('strangers', 'a'), inLine('strangers', 'b'), inLine('strangers', 'c')]).toEqual([4, 4, 0]);
  expect([inLine('x'), inLine('y'), inLine('z')]).toEqual([4, 3, 1]);
  expect(line).toMatchObject({ waiting: 16, refused: 6 });
});

it('work that turns out not to be what the pace is for gives its turn back', () => {
  crowd();
  line.giveBack();
  expect([line.take(), line.take()]).toEqual([true, false]);
});

it('all who wait are released at once where that is asked', () => {
  crowd();
  for (const group of ['one', 'one', 'other']) wait(group);
  line.releaseAll();
  expect(begun).toEqual(['one', 'other', 'one']);
  expect(line.waiting).toBe(0);
});
