import { PARSED_BYTES } from '../openai/answer-bytes.js';

const LF = 10;
const CR = 13;
const COMMA = 44;
const BRACKET = 91;
const BRACE = 123;
/** As many values as a request's body may hold, each with a comma or a bracket of its own. */
const MOST_MARKS = 250_000;
const LENGTH_BYTES = 4;
/** More is built of no event at once; one with a text for the largest window that there is has less. */
const MOST_BYTES = PARSED_BYTES;

/** Whether a stream's pieces are still such as can be read while others wait. */
export interface AnswerMarks {
  /** @returns false: one event holds too much */
  take(chunk: Buffer): boolean;
}

/**
 * Counts the commas and brackets of each event, those in texts too: packages build all of an event at once, and a hundred times
 * its bytes where it is full of brackets.
 */
export class EventMarks implements AnswerMarks {
  private marks = 0;
  private bytes = 0;
  private isLineOver = false;

  take(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (byte === LF) {
        if (this.isLineOver) {
          this.marks = 0;
          this.bytes = chunk.length - at;
        }
        this.isLineOver = true;
      } else if (byte !== CR) {
        this.isLineOver = false;
        if (isMark(byte)) this.marks += 1;
      }
    }
    return this.marks <= MOST_MARKS && this.bytes <= MOST_BYTES;
  }
}

/** The same for events that stand in frames, which begin with their length (AWS' event streams). */
export class FrameMarks implements AnswerMarks {
  private marks = 0;
  private bytes = 0;
  /** Of the length; and what of it has come. */
  private lengthBytes = 0;
  private left = 0;

  take(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (this.lengthBytes < LENGTH_BYTES) {
        this.left = this.left * 256 + byte;
        this.lengthBytes += 1;
        if (this.lengthBytes === LENGTH_BYTES) this.left -= LENGTH_BYTES;
      } else {
        if (isMark(byte)) this.marks += 1;
        this.left -= 1;
        this.bytes += 1;
      }
      if (this.lengthBytes === LENGTH_BYTES && this.left <= 0) this.begin();
    }
    return this.marks <= MOST_MARKS && this.bytes <= MOST_BYTES;
  }

  private begin(): void {
    this.marks = 0;
    this.bytes = 0;
    this.lengthBytes = 0;
    this.left = 0;
  }
}

function isMark(byte: number): boolean {
  return byte === COMMA || byte === BRACKET || byte === BRACE;
}
