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

export interface DecoderListener {
  onDecoded(chunk: Buffer): void;
  /** All that was pushed has been decoded, and read. */
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
  private readonly stream: Transform;
  private readonly isLarge: boolean;
  private isClosed = false;

  private constructor(coding: Coding, policy: OutboundPolicy, first: number, listener: DecoderListener) {
    this.isLarge = policy === 'tenant' && hasLargeWindow(coding);
    if (this.isLarge) largeWindows += 1;
    this.stream = decompressorOf(coding, first);
    this.stream
      .on('data', (chunk: Buffer) => listener.onDecoded(chunk))
      .on('drain', () => listener.onRoom())
      .on('end', () => listener.onDecodedAll())
      .on('error', (error) => listener.onUndecodable(error));
  }

  /** @returns null: too many answers with large windows are open, of servers that tenants chose */
  static open(coding: Coding, policy: OutboundPolicy, first: number, listener: DecoderListener): AnswerDecoder | null {
    if (policy === 'tenant' && hasLargeWindow(coding) && largeWindows >= MOST_LARGE_WINDOWS) return null;
    return new AnswerDecoder(coding, policy, first, listener);
  }

  /** @returns false: no more should be pushed until `onRoom` */
  push(chunk: Buffer): boolean {
    return this.stream.write(chunk);
  }

  /** A cut answer is decoded up to the cut; its reader judges what is missing. */
  end(): void {
    this.stream.end();
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.isLarge) largeWindows -= 1;
    this.stream.destroy();
  }
}

function hasLargeWindow(coding: Coding): boolean {
  return coding === 'br' || coding === 'zstd';
}

function decompressorOf(coding: Coding, first: number): Transform {
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
