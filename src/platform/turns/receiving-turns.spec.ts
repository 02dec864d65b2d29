import { setImmediate as nextLoop } from 'node:timers/promises';
import { ReceivingTurns, type Receiver } from './receiving-turns.js';

const PIECE = 64 * 1024;

/** An answer that has so many pieces to read, and reads on as long as it may. */
class Answer implements Receiver {
  receivedBytes = 0;
  turn = 0;
  read = 0;

  constructor(
    private readonly turns: ReceivingTurns,
    private readonly pieces: number,
    private readonly pieceBytes = PIECE,
  ) {}

  readOn(): void {
    while (this.read < this.pieces) {
      this.read += 1;
      if (!this.turns.took(this.pieceBytes, this)) return;
    }
  }
}

it('reads a bounded part of a large answer in one turn of the event loop, and all of it in the end', async () => {
  const answer = new Answer(new ReceivingTurns(), 100);
  answer.readOn();
  for (let before = 0; before < 100; await nextLoop()) {
    expect(answer.read - before).toBeGreaterThan(0);
    expect(answer.read - before).toBeLessThanOrEqual(4);
    before = answer.read;
  }
  expect(answer.read).toBe(100);
});

it('reads the answers that wait one after the other', async () => {
  const turns = new ReceivingTurns();
  const answers = Array.from({ length: 8 }, () => new Answer(turns, 20));
  for (const answer of answers) answer.readOn();
  for (let turn = 0; turn < 8; turn += 1) await nextLoop();
  const read = answers.map((answer) => answer.read);
  expect(Math.max(...read) - Math.min(...read)).toBeLessThanOrEqual(4);
  expect(Math.min(...read)).toBeGreaterThanOrEqual(5);
});

it('does not hold back a small answer while large ones fill the turn', () => {
  const turns = new ReceivingTurns();
  new Answer(turns, 100).readOn();
  const small = new Answer(turns, 5, 1_000);
  small.readOn();
  expect(small.read).toBe(5);
});
