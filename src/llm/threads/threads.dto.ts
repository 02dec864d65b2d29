import { z } from 'zod';
import { pageFields } from '../../platform/http/index.js';
import { double, enumeration, integer, text } from '../../platform/protojson/index.js';

const MOST_MESSAGE_LENGTH = 262_144;
const MOST_PROMPT_LENGTH = 65_536;
const MOST_TOOLS = 128;
const POLICIES = ['REJECT', 'QUEUE', 'INTERRUPT'] as const;
/** As OpenAI's functions are named. */
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

const conversationKey = text(1, 256).meta({
  description: "The caller's choice; unique among the caller's own threads.",
});
const name = text(0, 200);
const runId = text(1, 64);

const generationConfig = z
  .strictObject({
    model: text(0, 256).default('').meta({ description: 'Empty: the first model that the tenant can name.' }),
    temperature: double(0, 2).optional(),
    maxTokens: integer(0, 10_000_000).default(0).meta({ description: "Of one answer; 0: the model's own limit." }),
  })
  .meta({ description: 'Replaces the whole of what was set before.' });

const settings = z
  .strictObject({
    systemPrompt: text(0, MOST_PROMPT_LENGTH).default(''),
    interruptPolicy: enumeration(POLICIES).default('REJECT').meta({
      description:
        'What happens to a message during a run. REJECT: it is refused (409). QUEUE: it waits. INTERRUPT: the run is cancelled.',
    }),
  })
  .meta({ description: 'Replaces the whole of what was set before.' });

const toolName = text(1, 64).refine(
  (value) => TOOL_NAME.test(value),
  'must be of letters, digits, _ and -, at most 64',
);
const tools = z
  .array(
    z.strictObject({
      name: toolName,
      description: text(0, 4096).optional(),
      parameters: z.looseObject({}).optional().meta({ description: 'A JSON Schema.' }),
    }),
  )
  .max(MOST_TOOLS)
  .refine((list) => new Set(list.map((tool) => tool.name)).size === list.length, 'names a tool twice')
  .meta({
    description: 'The tools that the model may call. You run them and send the output with submit-tool-outputs.',
  });

const threadFields = {
  conversationKey,
  name: name.optional(),
  generationConfig: generationConfig.optional(),
  settings: settings.optional(),
  tools: tools.optional(),
};
export const createThreadRequest = z.strictObject(threadFields);
export type CreateThreadRequest = z.output<typeof createThreadRequest>;
export const updateThreadRequest = z.strictObject(threadFields);

export const listThreadsRequest = z.strictObject({
  ...pageFields,
  search: text(0, 200)
    .default('')
    .meta({ description: 'Part of the name or of the conversation key; case is ignored.' }),
});
export type ListThreadsRequest = z.output<typeof listThreadsRequest>;

export const sendMessageRequest = z.strictObject({
  conversationKey,
  userMessage: z.strictObject({ role: enumeration(['user']).default('user'), content: text(1, MOST_MESSAGE_LENGTH) }),
  tools: tools.optional().meta({ description: "For this message, instead of the thread's own." }),
  toolChoice: text(1, 64)
    .refine((value) => TOOL_NAME.test(value), 'must be auto, none, required or the name of a tool')
    .optional()
    .meta({ description: '`auto`, `none`, `required`, or the name of a tool.' }),
});
export type SendMessageRequest = z.output<typeof sendMessageRequest>;

export const threadRequest = z.strictObject({ conversationKey });
export const conversationStateRequest = z.strictObject({
  conversationKey,
  pageSize: integer(0, 500)
    .default(0)
    .meta({ description: 'Of messages, 1 to 500; 0: 1,000. A page holds at most 4 MiB of texts, or one message.' }),
  pageToken: pageFields.pageToken.meta({ description: 'Leads to older messages.' }),
});
export type ConversationStateRequest = z.output<typeof conversationStateRequest>;
export const runRequest = z.strictObject({ runId });

export const submitToolOutputsRequest = z.strictObject({
  runId,
  toolOutputs: z
    .array(z.strictObject({ toolCallId: text(1, 256), output: text(0, MOST_MESSAGE_LENGTH) }))
    .min(1)
    .max(256),
});
export type SubmitToolOutputsRequest = z.output<typeof submitToolOutputsRequest>;

const dateTime = z.string().meta({ format: 'date-time' });
const runStatus = z.enum(['RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED']);

export const createThreadResponse = z.object({
  conversationKey: z.string(),
  name: z.string(),
  createdAt: dateTime,
  notice: z
    .string()
    .optional()
    .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' }),
});
const threadView = z
  .object({
    conversationKey: z.string(),
    name: z.string(),
    createdAt: dateTime,
    updatedAt: dateTime,
  })
  .meta({ 'x-name': 'Thread' });
export const listThreadsResponse = z.object({ threads: z.array(threadView), nextPageToken: z.string() });

export const runResponse = z.object({
  runId: z.string(),
  status: runStatus,
  notice: z
    .string()
    .optional()
    .meta({ description: 'Present when this repeats the answer to an earlier request with the same Idempotency-Key.' }),
});

const toolCall = z.object({ id: z.string(), name: z.string(), arguments: z.string() }).meta({ 'x-name': 'ToolCall' });
const message = z
  .object({
    id: z.string(),
    role: z.enum(['user', 'assistant', 'tool']),
    content: z.string(),
    createdAt: dateTime,
    runId: z.string(),
    toolCalls: z.array(toolCall).optional(),
    toolCallId: z.string().optional(),
  })
  .meta({ 'x-name': 'ThreadMessage' });

const configView = {
  conversationKey: z.string(),
  name: z.string(),
  generationConfig: z.object({
    model: z.string().optional(),
    temperature: z.number().optional(),
    maxTokens: z.number().optional(),
  }),
  settings: z.object({ systemPrompt: z.string(), interruptPolicy: z.enum(POLICIES) }),
  tools: z.array(
    z.object({ name: z.string(), description: z.string().optional(), parameters: z.looseObject({}).optional() }),
  ),
  createdAt: dateTime,
  updatedAt: dateTime,
};
export const threadResponse = z.object(configView);
export const conversationStateResponse = z.object({
  ...configView,
  status: z.enum(['RUNNING', 'IDLE']),
  activeRunId: z.string().optional(),
  awaitingToolOutputs: z.boolean().meta({ description: 'The active run continues when you call submit-tool-outputs.' }),
  messages: z
    .array(message)
    .meta({ description: 'One page of messages, oldest first; the first page has the newest messages.' }),
  nextPageToken: z.string().meta({ description: 'Empty: nothing is older.' }),
  messagesLeftOut: z.number().meta({
    description: "How many older messages the newest answer did not see, because they do not fit the model's context.",
  }),
});
