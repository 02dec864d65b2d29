/** Failures that clients retry by themselves. They end in one answer, and one charge. */
import {
  completion,
  errorBody,
  eventOf,
  streamPieces,
  usageOf,
  type UpstreamAnswer,
} from '../../support/openai-upstream.js';
import { charged, type Row } from './row.js';

const usage = usageOf(11, 7);

const first = (...failures: UpstreamAnswer[]): Pick<Row, 'answers' | 'gets' | 'charged'> => ({
  answers: (form) => [
    ...failures,
    form === 'JSON'
      ? { kind: 'body', body: completion({ usage }) }
      : { kind: 'stream', pieces: streamPieces({ usage }) },
  ],
  gets: { text: 'Hello from the upstream.' },
  charged: charged(18),
});

const refusing = (status: number): UpstreamAnswer => ({
  kind: 'body',
  status,
  headers: { 'retry-after': '1' },
  body: errorBody('Slower, please.', 'requests', 'rate_limit_exceeded'),
});
const overloaded = { error: { message: 'overloaded', type: 'server_error' } };

export const RETRIES: readonly Row[] = [
  { what: 'a 429 with Retry-After', ...first(refusing(429)) },
  { what: 'a 503 with Retry-After', ...first(refusing(503)) },
  { what: 'an error that says 200', ...first({ kind: 'body', body: overloaded }) },
  { what: 'an error as the first event', ...first({ kind: 'stream', pieces: [eventOf(overloaded)] }) },
  { what: 'a connection that is reset before a byte', ...first({ kind: 'cut' }) },
  { what: 'two connections that are reset before a byte', ...first({ kind: 'cut' }, { kind: 'cut' }) },
];
