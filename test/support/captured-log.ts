/** The service's real log, with its lines kept instead of written. */
import { symbols } from 'pino';
import { logger } from '../../src/platform/logging/index.js';

export interface CapturedLog {
  readonly lines: Record<string, unknown>[];
  /** All lines as they would have been written. */
  text(): string;
  stop(): void;
}

export function captureLog(level = 'debug'): CapturedLog {
  const { level: before } = logger;
  const stream = (logger as unknown as Record<symbol, { write: (line: string) => unknown }>)[symbols.streamSym]!;
  const write = stream.write.bind(stream);
  const written: string[] = [];
  stream.write = (line) => written.push(line);
  logger.level = level;
  return {
    get lines() {
      return written.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    text: () => written.join(''),
    stop() {
      stream.write = write;
      logger.level = before;
    },
  };
}
