import { setImmediate as nextTurn } from 'node:timers/promises';
import { atTurnsEnd } from './turns-end.js';

describe("work at a turn's end", () => {
  it('runs in order, after all that the turn does at once', async () => {
    const done: string[] = [];
    atTurnsEnd(() => done.push('first'));
    atTurnsEnd(() => done.push('second'));
    queueMicrotask(() => done.push('of the turn'));
    await nextTurn();
    expect(done).toEqual(['of the turn', 'first', 'second']);
  });

  it("leaves what such work adds to the next turn's end", async () => {
    const done: string[] = [];
    atTurnsEnd(() => {
      done.push('first');
      atTurnsEnd(() => done.push('second'));
    });
    await nextTurn();
    expect(done).toEqual(['first']);
    await nextTurn();
    expect(done).toEqual(['first', 'second']);
  });
});
