import { endOfFirstEvent, endOfLastEvent } from './sse-usage-filter.js';

const NOTHING: Buffer = Buffer.alloc(0);
/** A boundary is at most this long less one. */
const LONGEST_BOUNDARY = 4;
/** A longer event is left out: it would have to be kept whole, and every call could have one. */
const MOST_EVENT_BYTES = 8 * 1024 * 1024;

/** Puts long events together again, which come in pieces. Each byte is looked at once, however many pieces there are. */
export class WholeEvents {
  private pieces: Buffer[] = [];
  private bytes = 0;
  /** The event that is coming is too long, and is left out. */
  private isSkipping = false;
  /** The end of what arrived. */
  private seam: Buffer = NOTHING;

  /** @returns the events that are whole now; may be empty */
  push(piece: Buffer): Buffer {
    if (!this.isSkipping && this.bytes === 0) return this.split(piece);
    const joined = Buffer.concat([this.seam, piece]);
    const end = endOfFirstEvent(joined, 0);
    if (end === -1) {
      this.keep(piece);
      return NOTHING;
    }
    const at = end - this.seam.length;
    const first = this.isSkipping ? NOTHING : Buffer.concat([...this.pieces, piece.subarray(0, at)]);
    this.forget();
    const others = this.split(piece.subarray(at));
    return others.length === 0 ? first : Buffer.concat([first, others]);
  }

  /** What is left of an event that did not end. */
  end(): Buffer {
    const rest = Buffer.concat(this.pieces);
    this.forget();
    return rest;
  }

  private split(events: Buffer): Buffer {
    const end = endOfLastEvent(events);
    if (end < events.length) this.keep(events.subarray(end));
    return end === events.length ? events : events.subarray(0, end);
  }

  private keep(piece: Buffer): void {
    this.seam = Buffer.concat([this.seam, piece.subarray(-LONGEST_BOUNDARY + 1)]).subarray(-LONGEST_BOUNDARY + 1);
    if (this.isSkipping) return;
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes <= MOST_EVENT_BYTES) return;
    this.forget(this.seam);
    this.isSkipping = true;
  }

  private forget(seam = NOTHING): void {
    this.pieces = [];
    this.bytes = 0;
    this.isSkipping = false;
    this.seam = seam;
  }
}
