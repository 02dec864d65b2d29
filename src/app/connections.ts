import type { Server } from 'node:net';
import { logger } from '../platform/logging/index.js';
import type { Metrics } from '../platform/metrics/index.js';

const WARN_MS = 60_000;

/**
 * Bounds the connections that callers have open. One beyond it is accepted and closed at once: each open one takes a file
 * descriptor, and without any left the service could not call a provider or Postgres.
 */
export function boundConnections(server: Server, most: number, metrics: Metrics): void {
  let open = 0;
  let dropped = 0;
  let warnedAtMs = -Infinity;
  server.maxConnections = most;
  server.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
  });
  server.on('drop', () => {
    dropped += 1;
    if (performance.now() - warnedAtMs < WARN_MS) return;
    warnedAtMs = performance.now();
    logger.warn({ open, dropped }, 'Connections are closed at once: GATEHOUSE_MAX_CONNECTIONS are open.');
  });
  metrics.read('gatehouse_http_connections_open', () => open);
  metrics.read('gatehouse_http_connections_dropped_total', () => dropped);
}
