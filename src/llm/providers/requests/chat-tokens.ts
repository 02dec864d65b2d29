import type { Tokenizer } from '../../tokens/tokenizer.js';
import { isObject, type ChatRequest } from './chat-request.js';

/** OpenAI's chat format: what stands around each message, and what the answer begins with. */
const TOKENS_PER_MESSAGE = 3;
const TOKENS_OF_REPLY = 3;
/** An ordinary photograph. */
const TOKENS_PER_IMAGE = 765;

/** Counts what a request says to the model: its messages, tools and response format. */
export function countInputTokens(tokenizer: Tokenizer, request: ChatRequest): number {
  const { value, text, fields } = request.json;
  const texts: string[] = [];
  const messages = value['messages'] as readonly Readonly<Record<string, unknown>>[];
  let tokens = TOKENS_OF_REPLY + TOKENS_PER_MESSAGE * messages.length;
  for (const message of messages) {
    if (typeof message['role'] === 'string') texts.push(message['role']);
    if (typeof message['name'] === 'string') texts.push(message['name']);
    const { content } = message;
    if (Array.isArray(content)) {
      for (const part of content as readonly unknown[]) {
        if (!isObject(part)) continue;
        if (part['type'] === 'image_url') tokens += TOKENS_PER_IMAGE;
        else if (typeof part['text'] === 'string') texts.push(part['text']);
      }
    }
    collectAnswerText(message, texts);
  }
  for (const field of ['tools', 'functions', 'response_format']) {
    const span = fields.get(field);
    if (span !== undefined) texts.push(text.slice(span.start, span.end));
  }
  return tokens + tokenizer.count(texts.join('\n'));
}

/** Puts what a model said in a `message`, or in a stream's `delta`, at the end of `texts`. */
export function collectAnswerText(answer: unknown, texts: string[]): void {
  if (!isObject(answer)) return;
  for (const field of ['content', 'reasoning_content', 'reasoning', 'refusal']) {
    const said = answer[field];
    if (typeof said === 'string') texts.push(said);
  }
  const calls = answer['tool_calls'];
  if (Array.isArray(calls)) {
    for (const call of calls as readonly unknown[]) if (isObject(call)) collectCall(call['function'], texts);
  }
  collectCall(answer['function_call'], texts);
}

function collectCall(call: unknown, texts: string[]): void {
  if (!isObject(call)) return;
  if (typeof call['name'] === 'string') texts.push(call['name']);
  if (typeof call['arguments'] === 'string') texts.push(call['arguments']);
}
