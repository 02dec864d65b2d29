import { crc32 } from 'node:zlib';
import { parseBounded } from '../../../platform/json/index.js';
import type { BodyFilter } from '../../../platform/outbound/index.js';
import { isObject } from '../requests/chat-request.js';
import type { ReportForm } from './counts.js';

/** Lengths of the frame and of its headers, and their checksum; behind them headers and payload, and a checksum of all. */
const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const LEAST_BYTES = PRELUDE_BYTES + CHECKSUM_BYTES;
const LENGTH_BYTES = 4;
/** In the headers of the event that reports what was used. */
const REPORTS = 'metadata';

/** Mends the reports in a stream of AWS' frames (`application/vnd.amazon.eventstream`). All other frames stay as they are. */
export class FrameMender implements BodyFilter {
  private pieces: Buffer[] = [];
  private bytes = 0;
  /** Of the frame that is coming; until its length has come, of that. */
  private wanted = LENGTH_BYTES;
  /** The bytes are not frames: they are passed on, and the package refuses them. */
  private isLost = false;

  constructor(private readonly form: ReportForm) {}

  take(chunk: Buffer): Buffer | null {
    if (this.isLost) return chunk;
    this.pieces.push(chunk);
    this.bytes += chunk.length;
    return this.bytes < this.wanted ? null : this.split(Buffer.concat(this.pieces, this.bytes));
  }

  /** What is left of a frame that did not end. */
  end(): Buffer | null {
    return this.bytes === 0 ? null : Buffer.concat(this.pieces, this.bytes);
  }

  private split(joined: Buffer): Buffer | null {
    const frames: Buffer[] = [];
    let at = 0;
    this.wanted = LENGTH_BYTES;
    while (joined.length - at >= this.wanted) {
      const length = joined.readUInt32BE(at);
      if (length < LEAST_BYTES) {
        this.isLost = true;
        this.keep(joined.subarray(joined.length));
        return Buffer.concat([...frames, joined.subarray(at)]);
      }
      this.wanted = length;
      if (joined.length - at < length) break;
      frames.push(mendedFrame(this.form, joined.subarray(at, at + length)));
      at += length;
      this.wanted = LENGTH_BYTES;
    }
    this.keep(joined.subarray(at));
    return frames.length === 0 ? null : Buffer.concat(frames);
  }

  private keep(rest: Buffer): void {
    this.pieces = rest.length === 0 ? [] : [rest];
    this.bytes = rest.length;
  }
}

/** A frame whose checksum is wrong stays wrong. */
function mendedFrame(form: ReportForm, frame: Buffer): Buffer {
  const end = frame.length - CHECKSUM_BYTES;
  const start = PRELUDE_BYTES + frame.readUInt32BE(LENGTH_BYTES);
  if (start > end || !frame.subarray(PRELUDE_BYTES, start).includes(REPORTS)) return frame;
  if (crc32(frame.subarray(0, end)) !== frame.readUInt32BE(end)) return frame;
  const report = objectIn(frame.subarray(start, end));
  return report === null ? frame : framed(frame.subarray(PRELUDE_BYTES, start), JSON.stringify(form.mend(report)));
}

function objectIn(payload: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const parsed = parseBounded(payload.toString('utf8'));
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function framed(headers: Buffer, payload: string): Buffer {
  const body = Buffer.from(payload);
  const frame = Buffer.alloc(LEAST_BYTES + headers.length + body.length);
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt32BE(headers.length, LENGTH_BYTES);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  headers.copy(frame, PRELUDE_BYTES);
  body.copy(frame, PRELUDE_BYTES + headers.length);
  const end = frame.length - CHECKSUM_BYTES;
  frame.writeUInt32BE(crc32(frame.subarray(0, end)), end);
  return frame;
}
