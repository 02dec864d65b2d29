/** The bounds of chat requests, as the specs of those bounds compute them. */
import { boundChat } from '../../src/llm/chat/chat-bound.js';
import type { CallBound } from '../../src/llm/calls/operation.js';
import { KnownModels, type ModelFacts } from '../../src/llm/models/model-facts.js';
import { parseChatRequest, type ChatRequest } from '../../src/llm/providers/requests/chat-request.js';
import { Tokenizer } from '../../src/llm/tokens/tokenizer.js';
import { loadSettings } from '../../src/platform/config/index.js';

export const known = new KnownModels(loadSettings({}).settings);
export const GPT = known.find('gpt-4o-2024-08-06')!;
export const MISTRAL = known.find('mistral-large-latest')!;
/** To load before bounds are computed. */
export const tokenizer = new Tokenizer();

export const requestOf = (body: object | string): ChatRequest =>
  parseChatRequest(
    Buffer.from(
      typeof body === 'string'
        ? body
        : JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body }),
    ),
  );

export const boundOf = (body: object | string, facts: ModelFacts | null = GPT): CallBound =>
  boundChat(requestOf(body), facts, tokenizer);

/** A request with one part in its one message. */
export const content = (part: unknown): object => ({ messages: [{ role: 'user', content: [part] }] });
