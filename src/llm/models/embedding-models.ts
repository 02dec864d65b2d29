import type { TokenFamily } from '../../platform/config/index.js';
import type { KnownModel, PricePage } from './model-rows.js';

/** Models that make vectors. */
export const EMBEDDING_MODELS: PricePage = {
  asOf: '2026-11-29',
  source: 'github.com/pydantic/genai-prices 0.1.8, quoting openai.com, ai.google.dev, docs.mistral.ai and cohere.com',
  models: [
    embedding('text-embedding-3-small', 'cl100k', 8_192, '0.02'),
    embedding('text-embedding-3-large', 'cl100k', 8_192, '0.13'),
    embedding('text-embedding-ada-002', 'cl100k', 8_192, '0.1'),
    embedding('gemini-embedding-001', 'gemini', 2_048, '0.15'),
    embedding('gemini-embedding-2', 'gemini', 8_192, '0.2'),
    embedding('mistral-embed', 'mistral', 8_192, '0.1'),
    embedding('embed-v4.0', 'unknown', 128_000, '0.12'),
  ],
};

/** They make vectors: their output costs nothing, and has no tokens. */
function embedding(id: string, family: TokenFamily, contextTokens: number, input: string): KnownModel {
  return { id, family, contextTokens, maxOutputTokens: 1, price: [input, input, '0'] };
}
