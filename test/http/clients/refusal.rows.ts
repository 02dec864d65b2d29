/** Refusals in the shapes that providers really use. None of them is charged. */
import { gzipSync } from 'node:zlib';
import { errorBody, eventOf, type UpstreamAnswer } from '../../support/openai-upstream.js';
import { FREE, type Row } from './row.js';

const TEXT = { 'content-type': 'text/plain' };

const says = (body: unknown, status = 400, headers: Record<string, string> = {}): UpstreamAnswer => ({
  kind: 'body',
  status,
  body,
  headers,
});
const sse = (...pieces: unknown[]): UpstreamAnswer => ({ kind: 'stream', pieces });

const overloaded = { message: 'overloaded', type: 'server_error' };
const quota = { message: 'You exceeded your quota.', type: 'insufficient_quota', code: 'insufficient_quota' };
const exhausted = { code: 429, message: 'Resource has been exhausted' };

const refusals: readonly (readonly [what: string, answer: UpstreamAnswer, status: number, message: string])[] = [
  ['an error that says 200', says({ error: overloaded }, 200), 502, 'overloaded'],
  ['an error that says 200, with its status', says({ error: { ...overloaded, code: 503 } }, 200), 503, 'overloaded'],
  ['an error as the first event', sse({ error: overloaded }), 502, 'overloaded'],
  ['an event named error', sse(`event: error\n${eventOf({ error: quota })}`), 429, 'You exceeded your quota.'],
  [
    'an error in a list',
    says([{ error: { code: 400, message: 'Cannot find field.', status: 'INVALID_ARGUMENT' } }]),
    400,
    'Cannot find field.',
  ],
  [
    'an error as a detail',
    says({ detail: 'This model does not support tools' }),
    400,
    'This model does not support tools',
  ],
  [
    'an error as a list of details',
    says({ detail: [{ loc: ['body', 'tools', 0], msg: 'Field required' }] }, 422),
    422,
    'Field required',
  ],
  [
    'an error in plain text',
    says('context length exceeded: 9000 > 8192', 400, TEXT),
    400,
    'context length exceeded: 9000 > 8192',
  ],
  [
    'an error that is compressed unasked',
    says(gzipSync(JSON.stringify(errorBody('context length exceeded: 9000 > 8192', 'invalid_request_error'))), 400, {
      'content-encoding': 'gzip',
    }),
    400,
    'context length exceeded: 9000 > 8192',
  ],
  [
    'a whole body that calls itself a stream',
    { kind: 'stream', pieces: [JSON.stringify(exhausted)], done: false },
    429,
    'Resource has been exhausted',
  ],
  [
    // The provider's message may quote flagged content, which would reach the caller's log: the service uses its own words.
    'a 403 about the request',
    says(errorBody('requires moderation: input was flagged', 'invalid_request_error'), 403),
    403,
    'because of its content',
  ],
];

export const REFUSALS: readonly Row[] = refusals.map(([what, answer, status, message]) => ({
  what,
  answers: () => [answer],
  gets: { error: { status, message } },
  charged: FREE,
}));
