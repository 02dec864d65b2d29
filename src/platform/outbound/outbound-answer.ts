import type { IncomingHttpHeaders } from 'node:http';
import { parseBounded } from '../json/index.js';
import { OutboundError, type JsonAnswer, type OutboundCall, type OutboundHandler } from './outbound-request.js';

/** Collects a whole answer, up to a size, and reads it as JSON. */
export class JsonCollector implements OutboundHandler {
  call: OutboundCall | null = null;
  private status = 0;
  private headers: IncomingHttpHeaders = {};
  private readonly chunks: Buffer[] = [];
  private size = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly resolve: (answer: JsonAnswer) => void,
    private readonly reject: (error: OutboundError) => void,
  ) {}

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
  }

  onData(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.size > this.maxBytes) {
      this.call?.abort();
      this.onError(tooLarge(this.maxBytes));
    } else {
      this.chunks.push(chunk);
    }
  }

  onEnd(): void {
    this.resolve({
      status: this.status,
      headers: this.headers,
      body: jsonIn(Buffer.concat(this.chunks, this.size)),
    });
  }

  onError(error: OutboundError): void {
    this.reject(error);
  }
}

/**
 * Stands between a server that a tenant chose and the caller. It bounds the answer's size, and gives the same message for every
 * failed connection, wherever a name led. The tenant reads these messages: undici's own would map our network.
 */
export class GuardedAnswer implements OutboundHandler {
  call: OutboundCall | null = null;
  private size = 0;

  constructor(
    private readonly handler: OutboundHandler,
    private readonly maxBytes: number,
  ) {}

  onLate(): boolean {
    return this.handler.onLate?.() === true;
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.handler.onHeaders(status, headers);
  }

  onData(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.size <= this.maxBytes) {
      this.handler.onData(chunk);
    } else {
      this.call?.abort();
      this.handler.onError(tooLarge(this.maxBytes));
    }
  }

  onEnd(): void {
    this.handler.onEnd();
  }

  onError(error: OutboundError): void {
    const { reason, cause } = error;
    if (reason === 'forbidden') this.handler.onError(forbidden(cause));
    else if (reason === 'connect')
      this.handler.onError(new OutboundError('connect', 'No connection could be made.', cause));
    else this.handler.onError(error);
  }
}

export function forbidden(cause: unknown): OutboundError {
  return new OutboundError(
    'forbidden',
    'Address not allowed: it is private or reserved. The operator can allow ranges with OUTBOUND_ALLOW_CIDRS.',
    cause,
  );
}

export function tooLarge(maxBytes: number): OutboundError {
  return new OutboundError('too_large', `The answer is larger than ${maxBytes} bytes.`);
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return parseBounded(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
