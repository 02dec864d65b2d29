const CR = 13;
const LF = 10;
const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Server-sent events whose lines end with a CR alone, which the standard allows, come out with LF in its place. Every other
 * byte stays as it is: no text in JSON holds a bare CR.
 */
export class LineEnds {
  /** The last buffer ended with a CR; whether it is half of a CRLF, the next byte says. */
  private isCut = false;

  push(piece: Buffer): Buffer {
    if (piece.length === 0 || (!this.isCut && !piece.includes(CR))) return piece;
    const data = this.isCut ? Buffer.concat([CR_ALONE, piece]) : piece;
    // Of two, the event is over, and must not wait: an LF after them is one more blank line, which says nothing.
    this.isCut = data.at(-1) === CR && data.at(-2) !== CR;
    return withLineFeeds(this.isCut ? data.subarray(0, -1) : data);
  }

  /** What was kept back when the stream has ended. */
  end(): Buffer {
    const rest = this.isCut ? Buffer.from([LF]) : NOTHING;
    this.isCut = false;
    return rest;
  }
}

const CR_ALONE = Buffer.from([CR]);

/** A copy where a CR stands alone; the same buffer where none does. */
export function withLineFeeds(events: Buffer): Buffer {
  let into = events;
  for (let at = events.indexOf(CR); at !== -1; at = events.indexOf(CR, at + 1)) {
    if (events[at + 1] === LF) continue;
    if (into === events) into = Buffer.from(events);
    into[at] = LF;
  }
  return into;
}
