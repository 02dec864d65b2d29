import { z } from 'zod';
import { integer, text, whyNotStorable } from '../../platform/protojson/index.js';

const MAX_CONTENT_CHARACTERS = 1_000_000;
const MAX_NAME_CHARACTERS = 256;
/** Of one request; a context takes more by more requests. */
const MAX_MESSAGES = 1_000;
const MAX_TOOL_CALLS = 128;
const ROLES = ['assistant', 'system', 'user', 'tool'] as const;
const TOOL_CALL_TYPES = ['function', 'gabber_tool'] as const;

const role = z.enum(ROLES, {
  error: ({ input }) => (input === undefined ? 'is required' : `must be one of ${ROLES.join(', ')}`),
});
const spokenAt = (description: string) =>
  z.iso
    .datetime({ offset: true, error: 'must be a time in RFC 3339, like 2026-11-29T12:00:00Z' })
    .nullish()
    .meta({ type: 'string', format: 'date-time', description });

/** Any JSON object whose texts can be stored. */
const argumentsObject = z
  .record(z.string(), z.unknown(), { error: 'must be an object' })
  .superRefine((value, context) => {
    const reason = whyTextsNotStorable(value);
    if (reason !== null) context.addIssue(reason);
  })
  .meta({ type: 'object', additionalProperties: true });

const toolCall = z.strictObject({
  id: text(1, MAX_NAME_CHARACTERS),
  type: z.enum(TOOL_CALL_TYPES, { error: `must be one of ${TOOL_CALL_TYPES.join(', ')}` }),
  function: z.strictObject({ name: text(1, MAX_NAME_CHARACTERS), arguments: argumentsObject }),
});

export const createMessageRequest = z.strictObject({
  role,
  content: text(0, MAX_CONTENT_CHARACTERS).meta({ description: 'What the message says.' }),
  tool_calls: z
    .array(toolCall, 'must be a list of tool calls')
    .max(MAX_TOOL_CALLS, `must have at most ${MAX_TOOL_CALLS} tool calls`)
    .nullish()
    .meta({
      type: 'array',
      description: 'Of an assistant: what it called. Of a tool: the call that it answers; absent: the first open one.',
    }),
  speaking_started_at: spokenAt('When the speaker began.'),
  speaking_ended_at: spokenAt('When the speaker ended.'),
});
export type CreateMessageRequest = z.output<typeof createMessageRequest>;

export const createContextRequest = z.strictObject({
  messages: z
    .array(createMessageRequest, 'must be a list of messages')
    .max(MAX_MESSAGES, `must have at most ${MAX_MESSAGES} messages`)
    .nullish()
    .meta({ type: 'array', description: 'The first messages, in their order.' }),
});
export type CreateContextRequest = z.output<typeof createContextRequest>;

export const listQuery = z.strictObject({
  page_size: integer(0, 500).default(0).meta({ description: '1 to 500; 0: 50.' }),
  page_token: text(0, 512).default('').meta({ description: 'From `next_page`.' }),
});
export type ListQuery = z.output<typeof listQuery>;

const dateTime = z.string().meta({ format: 'date-time' });
const notice = z
  .string()
  .optional()
  .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' });

const contextView = z
  .object({
    id: z.string(),
    created_at: dateTime,
    project: z.string().meta({ description: 'The tenant.' }),
    human: z.string().optional().meta({ description: 'Whose it is, where it is a human’s.' }),
  })
  .meta({ 'x-name': 'Context' });
export type ContextView = z.output<typeof contextView>;

const messageView = z
  .object({
    id: z.string(),
    created_at: dateTime,
    role: z.enum(ROLES),
    content: z.array(z.object({ type: z.literal('text'), text: z.string() })),
    tool_calls: z
      .array(
        z.object({
          id: z.string(),
          type: z.enum(TOOL_CALL_TYPES),
          function: z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) }),
        }),
      )
      .optional(),
    speaking_started_at: dateTime.optional(),
    speaking_ended_at: dateTime.optional(),
  })
  .meta({ 'x-name': 'ContextMessage' });
export type MessageView = z.output<typeof messageView>;

const envelopeOf = <T extends z.ZodType>(item: T) =>
  z.object({
    next_page: z
      .string()
      .optional()
      .meta({ description: 'Path and query of the next page; absent: this is the last.' }),
    total_count: z.int(),
    values: z.array(item),
  });

export const contextResponse = contextView.extend({ notice });
export const messageResponse = messageView.extend({ notice });
export const listContextsResponse = envelopeOf(contextView);
export const listMessagesResponse = envelopeOf(messageView);

function whyTextsNotStorable(value: unknown): string | null {
  if (typeof value === 'string') return whyNotStorable(value);
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    const reason = whyNotStorable(key) ?? whyTextsNotStorable(item);
    if (reason !== null) return reason;
  }
  return null;
}
