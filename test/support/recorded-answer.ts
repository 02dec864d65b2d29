import type { IncomingHttpHeaders } from 'node:http';
import type { OutboundCall, OutboundError, OutboundHandler } from '../../src/platform/outbound/index.js';

/** Records an outbound call's answer, and resolves when it has ended. */
export class RecordedAnswer implements OutboundHandler {
  status = 0;
  headers: IncomingHttpHeaders = {};
  bytes = 0;
  error: OutboundError | null = null;
  call: OutboundCall | null = null;
  readonly over: Promise<void>;
  private end: () => void = () => undefined;

  constructor() {
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  onHeaders(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
  }

  onData(chunk: Buffer): void {
    this.bytes += chunk.length;
  }

  onEnd(): void {
    this.end();
  }

  onError(error: OutboundError): void {
    this.error = error;
    this.end();
  }
}
