import type { ApiResponseSchemaHost } from '@nestjs/swagger';

/** `x-name`: what the schema is called as a component of the OpenAPI document. */
type SchemaObject = ApiResponseSchemaHost['schema'] & { 'x-name'?: string };

const TOKENS = { type: 'array', minItems: 1, items: { type: 'integer', minimum: 0 } } as const;
const COUNT = { type: 'integer', minimum: 0 } as const;

export const EMBEDDINGS_BODY: SchemaObject = {
  'x-name': 'EmbeddingsRequest',
  type: 'object',
  required: ['model', 'input'],
  properties: {
    model: { type: 'string' },
    input: {
      oneOf: [
        { type: 'string' },
        { type: 'array', minItems: 1, items: { type: 'string' } },
        TOKENS,
        { type: 'array', minItems: 1, items: TOKENS },
      ],
    },
    dimensions: { type: 'integer', minimum: 1, nullable: true },
    encoding_format: { type: 'string', enum: ['float', 'base64'], nullable: true },
    user: { type: 'string' },
  },
  additionalProperties: true,
};

export const EMBEDDINGS_ANSWER: SchemaObject = {
  'x-name': 'EmbeddingList',
  type: 'object',
  required: ['object', 'data', 'model', 'usage'],
  properties: {
    object: { type: 'string', enum: ['list'] },
    data: {
      type: 'array',
      items: {
        type: 'object',
        required: ['object', 'index', 'embedding'],
        properties: {
          object: { type: 'string', enum: ['embedding'] },
          index: COUNT,
          embedding: { oneOf: [{ type: 'array', items: { type: 'number' } }, { type: 'string' }] },
        },
      },
    },
    model: { type: 'string' },
    usage: {
      type: 'object',
      required: ['prompt_tokens', 'total_tokens'],
      properties: { prompt_tokens: COUNT, total_tokens: COUNT },
    },
  },
  additionalProperties: true,
};
