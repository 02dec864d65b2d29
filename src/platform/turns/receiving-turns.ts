/** So much of all answers is read in one turn, and so much of all bodies: to read it, and to hand it on, takes milliseconds. */
const BYTES_OF_TURN = 256 * 1024;
/** An answer of which less came in a turn is read on: it did not fill the turn. */
const SMALL_PART_BYTES = 16 * 1024;
/** To take one piece of many out of what was read costs as much as so many bytes. */
export const BYTES_PER_PIECE = 64;

/** The part of the turns that one answer or body has. */
export interface Receiver {
  /** Of the turn `turn`. */
  receivedBytes: number;
  turn: number;
  /** Called in a later turn: reads on. */
  readOn(): void;
}

/**
 * Bounds how much of all large answers, or of all large bodies, is read in one turn of the event loop. A connection that has much
 * to read would be read as fast as it comes, and eight of them would hold up a probe, a small call and the next event of a
 * stream for half a second. Those that wait are read on one after the other.
 */
export class ReceivingTurns {
  private turn = 0;
  private left = BYTES_OF_TURN;
  private waiting: Receiver[] = [];

  /** @returns false: the receiver reads no more until `readOn` is called */
  took(bytes: number, receiver: Receiver): boolean {
    const isFull = this.left <= 0;
    this.left -= bytes;
    if (!isFull && this.left <= 0) setImmediate(this.next);
    if (receiver.turn !== this.turn) {
      receiver.turn = this.turn;
      receiver.receivedBytes = 0;
    }
    receiver.receivedBytes += bytes;
    if (this.left > 0 || receiver.receivedBytes < SMALL_PART_BYTES) return true;
    this.waiting.push(receiver);
    return false;
  }

  private readonly next = (): void => {
    this.turn += 1;
    this.left = BYTES_OF_TURN;
    const { waiting } = this;
    this.waiting = [];
    let at = 0;
    for (; at < waiting.length && this.left > 0; at += 1) waiting[at]?.readOn();
    // Those that were read wait behind those that were not.
    this.waiting = [...waiting.slice(at), ...this.waiting];
  };
}

/** The turns of this process, which has one event loop. */
export const RECEIVING_TURNS = new ReceivingTurns();
/** Those of callers' bodies: their floods hold up no answer. */
export const BODY_TURNS = new ReceivingTurns();
