import type { ApiResponseSchemaHost } from '@nestjs/swagger';

/** `x-name`: what the schema is called as a component of the OpenAPI document. */
type SchemaObject = ApiResponseSchemaHost['schema'] & { 'x-name'?: string };

const FIELDS: Record<string, SchemaObject> = {
  model: { type: 'string' },
  messages: { type: 'array', minItems: 1, items: { type: 'object', additionalProperties: true } },
  stream: { type: 'boolean', nullable: true },
  stream_options: { type: 'object', nullable: true, additionalProperties: true },
  n: { type: 'integer', minimum: 1, maximum: 128, nullable: true },
  max_completion_tokens: { type: 'integer', minimum: -1, nullable: true },
  max_tokens: { type: 'integer', minimum: -1, nullable: true },
};

export const CHAT_BODY: SchemaObject = {
  'x-name': 'ChatCompletionRequest',
  type: 'object',
  required: ['model', 'messages'],
  properties: FIELDS,
  additionalProperties: true,
};

/** Where the path names the model. */
export const CHAT_BODY_BY_PATH: SchemaObject = {
  ...CHAT_BODY,
  'x-name': 'GatewayCompletionRequest',
  required: ['messages'],
};

/** With what Gabber's clients ask for beside it. */
export const GABBER_CHAT_BODY: SchemaObject = {
  ...CHAT_BODY,
  'x-name': 'GabberChatCompletionRequest',
  properties: {
    ...FIELDS,
    gabber: {
      type: 'object',
      nullable: true,
      properties: {
        context: { type: 'string', description: 'A context whose messages are put before these; it is not changed.' },
      },
    },
  },
};

const COUNT: SchemaObject = { type: 'integer', minimum: 0 };

/** What OpenAI's clients rely on. Providers send more, which is passed on. */
const CHAT_COMPLETION: SchemaObject = {
  'x-name': 'ChatCompletion',
  type: 'object',
  required: ['id', 'object', 'created', 'model', 'choices'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string', enum: ['chat.completion'] },
    created: COUNT,
    model: { type: 'string' },
    choices: {
      type: 'array',
      items: {
        type: 'object',
        required: ['index', 'message'],
        properties: {
          index: COUNT,
          message: {
            type: 'object',
            required: ['role'],
            properties: {
              role: { type: 'string' },
              content: { type: 'string', nullable: true },
              tool_calls: { type: 'array', items: { type: 'object', additionalProperties: true } },
            },
            additionalProperties: true,
          },
          finish_reason: { type: 'string', nullable: true },
        },
        additionalProperties: true,
      },
    },
    usage: {
      type: 'object',
      required: ['prompt_tokens', 'completion_tokens', 'total_tokens'],
      properties: { prompt_tokens: COUNT, completion_tokens: COUNT, total_tokens: COUNT },
      additionalProperties: true,
    },
  },
  additionalProperties: true,
};

export const CHAT_ANSWER = {
  'application/json': { schema: CHAT_COMPLETION },
  'text/event-stream': {
    schema: { type: 'string' as const, description: 'With `stream`: server-sent events up to `[DONE]`.' },
  },
};
