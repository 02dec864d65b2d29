import type { EmbeddingsRequest } from '../requests/embeddings-request.js';
import { countEmbeddedTokens } from '../requests/embeddings-tokens.js';
import type { AnswerReader } from './answer-reader.js';
import { failureInAnswer } from './openai-failure.js';
import { usageIn } from './openai-usage.js';

/** Embeddings have input and no output, and are never streamed. */
export const EMBEDDINGS_READER: AnswerReader<EmbeddingsRequest> = {
  path: '/embeddings',
  bodyOf: ({ raw }) => raw,
  failureIn: (answer, asked) => (Array.isArray(answer['data']) ? null : failureInAnswer(answer, asked)),
  isAnswer: (answer) => Array.isArray(answer['data']),
  hasBegun: () => true,
  refusalIn: () => null,
  usageIn,
  hasOutput: false,
  countInput: countEmbeddedTokens,
  estimateAnswer: () => 0,
  estimatePart: () => 0,
  mostOutput: () => 0,
  // A hundred thousand numbers take a few milliseconds to parse, and millions of them would keep everybody waiting.
  parsedBytes: 1024 * 1024,
  stream: () => {
    throw new Error('Embeddings are not streamed.');
  },
  endMark: Buffer.alloc(0),
  gatherer: () => ({ add: () => null, mark: () => undefined, gathered: () => null }),
  eventsOf: () => [],
};
