import type { IncomingHttpHeaders } from 'node:http';
import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';
import type { OutboundPolicy } from './outbound-request.js';

/** How an answer is compressed (RFC 9110, 8.4.1; RFC 8878). */
export type Coding = 'gzip' | 'deflate' | 'br' | 'zstd';

const CODINGS: ReadonlyMap<string, Coding> = new Map([
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['deflate', 'deflate'],
  ['br', 'br'],
  ['zstd', 'zstd'],
]);

/** RFC 9659: a server must not send a larger window (8 MiB). */
const ZSTD_WINDOW_LOG = 23;
/** Each may keep 16 MiB of what it decoded; answers of gzip and deflate keep 32 KiB. */
const MOST_LARGE_WINDOWS = 16;
let largeWindows = 0;
/** A new decoder for a frame takes some 0.1 ms: frames with nothing in them, which no bound of size stops, must be few. */
const FREE_RESTARTS = 1000;
const BYTES_PER_RESTART = 64;
const MOST_WAITING_BYTES = 16 * 1024;

/** What was said so far is handed on at once, and an answer without its last bytes is decoded up to there. */
const EAGER = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH };

/** The coding of an answer; null: none, or one that is not decoded here: several, one over the other, have no bound. */
export function codingOf(headers: IncomingHttpHeaders): Coding | null {
  const said = headers['content-encoding'] as string | readonly string[] | undefined;
  if (said === undefined) return null;
  const names = [said]
    .flat()
    .flatMap((value) => value.toLowerCase().split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity');
  return names.length === 1 ? (CODINGS.get(names[0] as string) ?? null) : null;
}

/** The headers of the decoded answer. */
export function headersDecoded(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { 'content-encoding': _coding, 'content-length': _length, ...others } = headers;
  return others;
}

/** Proxies decode an answer, and leave its header: the first byte of gzip and zstd begins no text. */
export function isCoded(coding: Coding, first: number): boolean {
  if (coding === 'gzip') return first === 0x1f;
  return coding !== 'zstd' || first === 0x28;
}

/** A stream of node:zlib; `bytesWritten` is what it has read of its input. */
type Decompressor = Transform & { readonly bytesWritten: number };

export interface DecoderListener {
  onDecoded(chunk: Buffer): void;
  /** All has been decoded, and read. Called before `end` when bytes came behind the end of the coding: they are left out. */
  onDecodedAll(): void;
  onUndecodable(error: Error): void;
  /** Called after `push` returned false: more can be pushed. */
  onRoom(): void;
}

/**
 * Decodes an answer as it comes, off the event loop. It hands on 16 KiB at a time, and decodes no further while its reader
 * pauses: so the reader's own bounds hold, however much a few bytes unfold to.
 */
export class AnswerDecoder {
  private stream: Decompressor;
  /** Its first chunk is the one that `stream` reads. One is given at a time: a stream that has ended would read on. */
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private isReading = false;
  private isFull = false;
  /** In bytes, to `stream`. */
  private given = 0;
  /** In bytes, of the whole answer. */
  private decoded = 0;
  private restarts = 0;
  private readonly isLarge: boolean;
  private isPaused = false;
  private isEnded = false;
  private isClosed = false;

  private constructor(
    private readonly coding: Coding,
    policy: OutboundPolicy,
    private readonly first: number,
    private readonly listener: DecoderListener,
  ) {
    this.isLarge = policy === 'tenant' && hasLargeWindow(coding);
    if (this.isLarge) largeWindows += 1;
    this.stream = this.start();
  }

  /** @returns null: too many answers with large windows are open, of servers that tenants chose */
  static open(coding: Coding, policy: OutboundPolicy, first: number, listener: DecoderListener): AnswerDecoder | null {
    if (policy === 'tenant' && hasLargeWindow(coding) && largeWindows >= MOST_LARGE_WINDOWS) return null;
    return new AnswerDecoder(coding, policy, first, listener);
  }

  /** @returns false: no more should be pushed until `onRoom` */
  push(chunk: Buffer): boolean {
    this.waiting.push(chunk);
    this.waitingBytes += chunk.length;
    this.isFull = this.waitingBytes >= MOST_WAITING_BYTES;
    if (!this.isReading) this.feed();
    return !this.isFull;
  }

  /** A cut answer is decoded up to the cut; its reader judges what is missing. */
  end(): void {
    this.isEnded = true;
    if (!this.isReading) this.feed();
  }

  pause(): void {
    this.isPaused = true;
    this.stream.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.stream.resume();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.isLarge) largeWindows -= 1;
    this.stream.destroy();
  }

  private start(): Decompressor {
    const { listener } = this;
    return decompressorOf(this.coding, this.first)
      .on('data', (chunk: Buffer) => {
        this.decoded += chunk.length;
        listener.onDecoded(chunk);
      })
      .on('end', () => this.onStreamEnd())
      .on('error', (error) => listener.onUndecodable(error));
  }

  private feed(): void {
    const { stream } = this;
    const chunk = this.waiting[0];
    if (chunk === undefined) {
      if (this.isEnded) stream.end();
      else if (this.isFull) {
        this.isFull = false;
        this.listener.onRoom();
      }
      return;
    }
    this.isReading = true;
    this.given += chunk.length;
    stream.write(chunk, () => {
      // Node may call this although the stream ended within the chunk.
      if (stream !== this.stream || this.isClosed || stream.bytesWritten < this.given) return;
      this.waiting.shift();
      this.waitingBytes -= chunk.length;
      this.isReading = false;
      this.feed();
    });
  }

  /** Node's decoder of zstd ends with a frame when more bytes came with its last one; an answer may have many frames. */
  private onStreamEnd(): void {
    if (this.isClosed) return;
    const chunk = this.waiting[0];
    if (this.coding !== 'zstd' || chunk === undefined) return this.listener.onDecodedAll();
    if (this.restarts >= FREE_RESTARTS + this.decoded / BYTES_PER_RESTART)
      return this.listener.onUndecodable(new Error('The answer has too many frames with little or nothing in them.'));
    const left = this.given - this.stream.bytesWritten;
    this.stream.destroy();
    this.restarts += 1;
    this.given = 0;
    this.waitingBytes -= chunk.length - left;
    this.waiting[0] = chunk.subarray(chunk.length - left);
    this.stream = this.start();
    if (this.isPaused) this.stream.pause();
    this.feed();
  }
}

function hasLargeWindow(coding: Coding): boolean {
  return coding === 'br' || coding === 'zstd';
}

function decompressorOf(coding: Coding, first: number): Decompressor {
  switch (coding) {
    case 'gzip':
      return createGunzip(EAGER);
    case 'deflate':
      // Some servers leave the wrapper (RFC 1950) out: its first byte ends with 8.
      return (first & 0x0f) === 8 ? createInflate(EAGER) : createInflateRaw(EAGER);
    case 'br':
      return createBrotliDecompress({
        flush: constants.BROTLI_OPERATION_FLUSH,
        finishFlush: constants.BROTLI_OPERATION_FLUSH,
      });
    case 'zstd':
      return createZstdDecompress({
        flush: constants.ZSTD_e_flush,
        finishFlush: constants.ZSTD_e_flush,
        params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG },
      });
  }
}
