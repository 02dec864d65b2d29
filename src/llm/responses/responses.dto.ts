import type { ApiResponseSchemaHost } from '@nestjs/swagger';

/** `x-name`: what the schema is called as a component of the OpenAPI document. */
type SchemaObject = ApiResponseSchemaHost['schema'] & { 'x-name'?: string };

const OBJECT: SchemaObject = { type: 'object', additionalProperties: true };
const OBJECTS: SchemaObject = { type: 'array', items: OBJECT };
const COUNT: SchemaObject = { type: 'integer', minimum: 0 };

export const RESPONSES_REQUEST: SchemaObject = {
  'x-name': 'ResponsesRequest',
  type: 'object',
  required: ['model'],
  properties: {
    model: { type: 'string' },
    input: { oneOf: [{ type: 'string' }, OBJECTS] },
    instructions: { type: 'string', nullable: true },
    stream: { type: 'boolean', nullable: true },
    max_output_tokens: { type: 'integer', minimum: 1, nullable: true },
    store: { type: 'boolean', nullable: true },
    tools: OBJECTS,
    tool_choice: { oneOf: [{ type: 'string' }, OBJECT] },
    text: OBJECT,
    reasoning: { ...OBJECT, nullable: true },
  },
  additionalProperties: true,
};

export const RESPONSE: SchemaObject = {
  'x-name': 'Response',
  type: 'object',
  required: ['id', 'object', 'created_at', 'status', 'model', 'output'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string', enum: ['response'] },
    created_at: COUNT,
    status: { type: 'string', enum: ['completed', 'incomplete', 'failed', 'in_progress', 'queued', 'cancelled'] },
    model: { type: 'string' },
    output: OBJECTS,
    usage: {
      type: 'object',
      nullable: true,
      required: ['input_tokens', 'output_tokens', 'total_tokens'],
      properties: { input_tokens: COUNT, output_tokens: COUNT, total_tokens: COUNT },
      additionalProperties: true,
    },
  },
  additionalProperties: true,
};

export const DELETED_RESPONSE: SchemaObject = {
  'x-name': 'DeletedResponse',
  type: 'object',
  required: ['id', 'object', 'deleted'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string' },
    deleted: { type: 'boolean' },
  },
  additionalProperties: true,
};
