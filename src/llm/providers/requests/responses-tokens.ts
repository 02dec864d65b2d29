import type { Tokenizer } from '../../tokens/tokenizer.js';
import { isObject } from './chat-request.js';
import type { ResponsesRequest } from './responses-request.js';

const TOKENS_PER_ITEM = 3;
const TOKENS_OF_REPLY = 3;
/** An ordinary photograph. */
const TOKENS_PER_IMAGE = 765;
/** Fields of items that hold what the model reads, or hold what holds it. */
const SAID = ['text', 'refusal', 'name', 'arguments', 'input', 'output', 'content', 'summary'];

/** Counts what a request says to the model: its instructions, items, tools and format, and the response that it goes on from. */
export function countResponsesInput(tokenizer: Tokenizer, { json, previous }: ResponsesRequest): number {
  const { value, text, fields } = json;
  const texts: string[] = [];
  let tokens = TOKENS_OF_REPLY + (previous?.tokens ?? 0);
  const { input, instructions } = value;
  if (typeof instructions === 'string') texts.push(instructions);
  if (typeof input === 'string') texts.push(input);
  if (Array.isArray(input)) {
    for (const item of input as readonly unknown[]) tokens += TOKENS_PER_ITEM + collect(item, texts);
  }
  for (const field of ['tools', 'text']) {
    const span = fields.get(field);
    if (span !== undefined) texts.push(text.slice(span.start, span.end));
  }
  return tokens + tokenizer.count(texts.join('\n'));
}

/** @returns the tokens of what is not text */
function collect(value: unknown, texts: string[]): number {
  if (typeof value === 'string') texts.push(value);
  if (Array.isArray(value))
    return (value as readonly unknown[]).reduce<number>((sum, one) => sum + collect(one, texts), 0);
  if (!isObject(value)) return 0;
  if (value['type'] === 'input_image') return TOKENS_PER_IMAGE;
  return SAID.reduce((sum, field) => sum + collect(value[field], texts), 0);
}

/** Puts what a model said in an item of its output at the end of `texts`. */
export function collectOutputText(item: unknown, texts: string[]): void {
  if (isObject(item)) for (const field of SAID) collect(item[field], texts);
}
