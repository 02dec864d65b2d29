import type { AnswerReaders } from './answer-reader.js';
import { CHAT_READER } from './chat-reader.js';
import { EMBEDDINGS_READER } from './embeddings-reader.js';
import { RESPONSES_READER } from './responses-reader.js';

export const READERS: AnswerReaders = { chat: CHAT_READER, embeddings: EMBEDDINGS_READER, responses: RESPONSES_READER };
