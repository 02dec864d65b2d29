import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import {
  AnswerDecoder,
  codingOf,
  headersDecoded,
  isCoded,
  type Coding,
  type DecoderListener,
} from './answer-decoder.js';
import { BYTES_PER_PIECE, RECEIVING_TURNS, type Receiver } from '../turns/index.js';
import { ForbiddenAddressError } from './outbound-address.js';
import {
  OutboundError,
  type OutboundCall,
  type OutboundFailure,
  type OutboundHandler,
  type OutboundPolicy,
  type OutboundRequest,
} from './outbound-request.js';
import { JoinedPieces } from './joined-pieces.js';
import { withRepeatedJoined } from './repeated-headers.js';
import { brokeUsedConnection } from './used-connections.js';

const MAX_STATUS = 599;
const NOT_TAKEN = 'The answer could not be taken in.';

/** Sends a request on a new connection. */
export type SendFresh = (request: OutboundRequest, call: Call) => void;

/** One call: undici's handler, the caller's handle and the bookkeeping of its timeouts in a single object. */
export class Call implements OutboundCall, Receiver, DecoderListener, Dispatcher.DispatchHandler {
  receivedBytes = 0;
  turn = 0;
  /** Its reader asked for a pause. */
  private isHeld = false;
  private awaitsTurn = false;
  private controller: Dispatcher.DispatchController | null = null;
  /** How the answer is compressed, until its first byte. */
  private coding: Coding | null = null;
  private decoder: AnswerDecoder | null = null;
  private isDecoderFull = false;
  private readonly pieces = new JoinedPieces((bytes, pieces) => this.receive(bytes, pieces));
  /** Its last byte has come. */
  private isReceived = false;
  /** Why the answer ended early; told once what came before it has been decoded. */
  private brokenBy: Error | null = null;
  private timer: NodeJS.Timeout;
  private answered = false;
  private done = false;
  private readonly totalTimeoutMs: number;
  private readonly policy: OutboundPolicy;
  /** Kept until the answer begins. */
  private request: OutboundRequest | null;

  constructor(
    private readonly handler: OutboundHandler,
    request: OutboundRequest,
    /** Null: a failed call is not sent again. */
    private sendFresh: SendFresh | null,
  ) {
    const { firstByteTimeoutMs, totalTimeoutMs, policy } = request;
    this.request = request;
    this.policy = policy;
    this.totalTimeoutMs = totalTimeoutMs;
    this.timer = setTimeout(onFirstTimer, Math.min(firstByteTimeoutMs, totalTimeoutMs), this, firstByteTimeoutMs);
  }

  abort(): void {
    if (this.done) return;
    this.finish();
    this.controller?.abort(ABANDONED);
  }

  pause(): void {
    this.isHeld = true;
    this.stopReading();
  }

  resume(): void {
    this.isHeld = false;
    if (!this.awaitsTurn) this.startReading();
  }

  readOn(): void {
    this.awaitsTurn = false;
    if (!this.isHeld) this.startReading();
  }

  /** The first timer ran out. An answer that has begun, or a late one that is waited for, has the rest of the total time. */
  expireFirst(elapsedMs: number): void {
    if (elapsedMs < this.totalTimeoutMs && (this.answered || this.isWaitedFor())) {
      // The caller already got the time-out: a second request would cost money, and no caller would read its answer.
      this.request = null;
      this.timer = setTimeout(onLastTimer, this.totalTimeoutMs - elapsedMs, this);
    } else {
      this.expire();
    }
  }

  expire(): void {
    this.fail('timeout', this.answered ? 'The answer took too long.' : 'The answer did not begin in time.');
    this.controller?.abort(ABANDONED);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // The call was given up while it waited for a connection: abort it before a byte is sent.
    if (this.done) controller.abort(ABANDONED);
  }

  onResponseStart(_controller: unknown, status: number, received: IncomingHttpHeaders): void {
    if (this.done || status < 200) return;
    const headers = withRepeatedJoined(received);
    this.answered = true;
    this.request = null;
    // HTTP has no such status, and a `Response` refuses it.
    if (status > MAX_STATUS) this.giveUp(`The answer has the status ${status}.`);
    else
      try {
        this.coding = codingOf(headers);
        this.handler.onHeaders(status, this.coding === null ? headers : headersDecoded(headers));
      } catch (error) {
        this.giveUp(NOT_TAKEN, error);
      }
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (!this.done) this.pieces.add(chunk);
  }

  onResponseEnd(): void {
    this.pieces.flush();
    if (this.done) return;
    this.isReceived = true;
    if (this.decoder === null) this.endAnswer();
    else this.decoder.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.done || this.isSentAgain(error)) return;
    if (this.decoder === null) return this.fail(this.reasonOf(error), error.message, error);
    this.brokenBy = error;
    this.decoder.end();
  }

  onDecoded(chunk: Buffer): void {
    this.take(chunk);
  }

  onRoom(): void {
    this.isDecoderFull = false;
    if (!this.done && !this.awaitsTurn) this.controller?.resume();
  }

  onDecodedAll(): void {
    const { brokenBy } = this;
    if (brokenBy !== null) {
      if (!this.done) this.fail(this.reasonOf(brokenBy), brokenBy.message, brokenBy);
      return;
    }
    this.endAnswer();
    // Its server sends more than the answer: the connection may be paused, and no timer is left to end it.
    if (!this.isReceived) this.controller?.abort(ABANDONED);
  }

  onUndecodable(error: Error): void {
    if (!this.done) this.giveUp('The answer is not compressed as its content-encoding says.', error);
  }

  private receive(bytes: Buffer, pieces: number): void {
    if (this.done) return;
    if (this.coding !== null && bytes.length > 0) this.decode(this.coding, bytes[0] as number);
    if (this.decoder === null) this.take(bytes);
    // Its reader's pauses stop the decoder; only a full decoder stops the connection.
    else if (!this.decoder.push(bytes)) {
      this.isDecoderFull = true;
      this.controller?.pause();
    }
    if (pieces === 1) return;
    this.count(pieces * BYTES_PER_PIECE);
    if (this.awaitsTurn) this.controller?.pause();
  }

  private decode(coding: Coding, first: number): void {
    this.coding = null;
    if (!isCoded(coding, first)) return;
    this.decoder = AnswerDecoder.open(coding, this.policy, first, this);
    if (this.decoder === null)
      this.giveUp(
        `Too many answers compressed with ${coding} are open. Have the server send it uncompressed, or as gzip.`,
      );
    else if (this.isHeld) this.decoder.pause();
  }

  private take(chunk: Buffer): void {
    if (this.done) return;
    try {
      this.handler.onData(chunk);
    } catch (error) {
      this.giveUp(NOT_TAKEN, error);
    }
    this.count(chunk.length);
  }

  /** Waits for a later turn where this one is full. */
  private count(bytes: number): void {
    // Handing it on may have ended the call.
    if (this.done || this.awaitsTurn || RECEIVING_TURNS.took(bytes, this)) return;
    this.awaitsTurn = true;
    this.stopReading();
  }

  private endAnswer(): void {
    if (this.done) return;
    this.finish();
    try {
      this.handler.onEnd();
    } catch (error) {
      this.handler.onError(new OutboundError('broken', NOT_TAKEN, error));
    }
  }

  private stopReading(): void {
    if (this.decoder === null) this.controller?.pause();
    else this.decoder.pause();
  }

  private startReading(): void {
    if (this.done) return;
    this.decoder?.resume();
    if (!this.isDecoderFull) this.controller?.resume();
  }

  /** Ends the call when its answer can't be taken. Otherwise the call would wait for ever, and keep its place. */
  private giveUp(message: string, cause?: unknown): void {
    if (!this.done) this.fail('broken', message, cause);
    this.controller?.abort(ABANDONED);
  }

  /**
   * Servers close idle connections, sometimes at the moment when a request is sent on one. No answer came, so the request is
   * sent once more, within the same times.
   */
  private isSentAgain(error: Error): boolean {
    const { request, sendFresh } = this;
    if (request === null || sendFresh === null || !brokeUsedConnection(error)) return false;
    this.sendFresh = null;
    this.controller = null;
    sendFresh(request, this);
    return true;
  }

  private isWaitedFor(): boolean {
    return this.controller !== null && this.handler.onLate?.() === true;
  }

  private reasonOf(error: Error): OutboundFailure {
    const code = 'code' in error ? error.code : undefined;
    if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return 'aborted';
    if (error instanceof ForbiddenAddressError) return 'forbidden';
    if (this.controller === null) return 'connect';
    return code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_HEADERS_TIMEOUT' ? 'timeout' : 'broken';
  }

  private fail(reason: OutboundFailure, message: string, cause?: unknown): void {
    this.finish();
    this.handler.onError(new OutboundError(reason, message, cause));
  }

  private finish(): void {
    this.done = true;
    clearTimeout(this.timer);
    this.decoder?.close();
  }
}

/** Passed to undici alone, to close a connection. One object for all calls, since its stack is never read. */
const ABANDONED = new Error('The call was abandoned.');

function onFirstTimer(call: Call, elapsedMs: number): void {
  call.expireFirst(elapsedMs);
}

function onLastTimer(call: Call): void {
  call.expire();
}
