import type { ApiResponseSchemaHost } from '@nestjs/swagger';

type SchemaObject = ApiResponseSchemaHost['schema'];

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
  type: 'object',
  required: ['model', 'messages'],
  properties: FIELDS,
  additionalProperties: true,
};

/** With what Gabber's clients ask for beside it. */
export const GABBER_CHAT_BODY: SchemaObject = {
  ...CHAT_BODY,
  properties: {
    ...FIELDS,
    gabber: {
      type: 'object',
      nullable: true,
      properties: {
        context: { type: 'string', description: 'A context whose messages stand before these; it is not changed.' },
      },
    },
  },
};

export const CHAT_ANSWER = {
  'application/json': { schema: { type: 'object' as const, additionalProperties: true } },
  'text/event-stream': { schema: { type: 'string' as const } },
};
