/** Unusual requests that providers accept. Each gets the ordinary answer. */
import { completion, streamPieces, usageOf } from '../../support/openai-upstream.js';
import { charged, type Row } from './row.js';

const usage = usageOf(11, 7);
const ordinary = {
  answers: (form) => [
    form === 'JSON'
      ? { kind: 'body', body: completion({ usage }) }
      : { kind: 'stream', pieces: streamPieces({ usage }) },
  ],
  gets: { text: 'Hello from the upstream.' },
  charged: charged(18),
} satisfies Partial<Row>;

/** 128 tools of 25 parameters each, with descriptions and choices. */
const TOOLS = Array.from({ length: 128 }, (_, index) => ({
  type: 'function',
  function: {
    name: `tool_${index}`,
    description: 'Looks into the records of one department, and gives those that match.',
    parameters: {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 25 }, (__, at) => [
          `parameter_${at}`,
          { type: 'string', description: 'How the records are narrowed down.', enum: ['all', 'open', 'closed'] },
        ]),
      ),
      required: ['parameter_0'],
    },
  },
}));

/** LM Studio's value for no limit. */
const withoutLimit = {
  asks: { maxTokens: -1 },
  refusedBy: { clients: ['AI SDK, openai', 'AI SDK, openai-compatible'], message: 'maxOutputTokens must be >= 1' },
  ...ordinary,
} satisfies Partial<Row>;

export const REQUESTS: readonly Row[] = [
  { what: 'an output limit of -1 under a limit', ...withoutLimit },
  { what: 'an output limit of -1 from a caller without limits', unlimited: true, ...withoutLimit },
  { what: '128 tools', asks: { tools: TOOLS }, ...ordinary },
  { what: 'a part with cache_control', asks: { cached: true }, ...ordinary },
];
