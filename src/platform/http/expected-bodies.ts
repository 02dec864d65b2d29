import type { IncomingMessage, Server, ServerResponse } from 'node:http';

const EXPECTED = new WeakMap<IncomingMessage, ServerResponse>();

/**
 * Callers may ask before they send a body (`Expect: 100-continue`). Left to itself Node asks for it before the caller is judged:
 * one who is refused would send it in vain.
 */
export function keepBackExpectedBodies(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    EXPECTED.set(request, response);
    server.emit('request', request, response);
  });
}

/** Asks for a body that its caller keeps back. */
export function askForBody(request: IncomingMessage): void {
  EXPECTED.get(request)?.writeContinue();
  EXPECTED.delete(request);
}
