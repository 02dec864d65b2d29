import type { JsonObject } from '../../../platform/json/index.js';
import type { ProviderConnection } from '../provider-factory.js';
import { isObject } from '../requests/chat-request.js';
import { MISTRALS_ANSWERS } from './mistral-answers.js';
import { openaiWire, type OpenaiWire } from './openai-wire.js';

const MISTRAL_BASE_URL = 'https://api.mistral.ai/v1';

/** OpenAI's names for fields that Mistral calls otherwise; it refuses every name that it does not know. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['seed', 'random_seed'],
  ['max_completion_tokens', 'max_tokens'],
]);
/** A stream's last event reports its usage unasked. */
const LEFT_OUT = new Set(['stream_options']);

/** Of an assistant's message: what it thought, which Mistral has by no such name. */
const THOUGHT = 'reasoning_content';

/** Mistral: OpenAI's dialect but for a few words. Every value that keeps its name keeps its bytes too. */
export function mistralWire(connection: ProviderConnection): OpenaiWire {
  return {
    ...openaiWire({ ...connection, baseUrl: connection.baseUrl ?? MISTRAL_BASE_URL }),
    reportsUsageUnasked: true,
    words: MISTRALS_ANSWERS,
    rewrite: (_operation, request) =>
      isToBeRewritten(request.json) ? { ...request, raw: Buffer.from(inMistralsWords(request.json)) } : request,
  };
}

function isToBeRewritten({ fields, value }: JsonObject): boolean {
  if (value['tool_choice'] === 'required' || holdsThoughts(value['messages'])) return true;
  for (const key of fields.keys()) if (NAMES.has(key) || LEFT_OUT.has(key)) return true;
  return false;
}

function inMistralsWords({ fields, text, value }: JsonObject): string {
  const parts: string[] = [];
  // Of the two limits the newer one counts, as at OpenAI.
  const skipped = isGiven(value['max_completion_tokens']) ? 'max_tokens' : 'max_completion_tokens';
  for (const [key, { start, end }] of fields) {
    if (LEFT_OUT.has(key) || key === skipped) continue;
    parts.push(`${JSON.stringify(NAMES.get(key) ?? key)}:${written(key, value[key], text.slice(start, end))}`);
  }
  return `{${parts.join(',')}}`;
}

function written(key: string, value: unknown, text: string): string {
  if (key === 'tool_choice' && value === 'required') return '"any"';
  return key === 'messages' && holdsThoughts(value) ? JSON.stringify(withoutThoughts(value)) : text;
}

function holdsThoughts(messages: unknown): messages is readonly unknown[] {
  return Array.isArray(messages) && messages.some((message) => isObject(message) && THOUGHT in message);
}

/** As with other providers, thoughts without a signature are not sent back. */
function withoutThoughts(messages: readonly unknown[]): readonly unknown[] {
  return messages.map((message) => {
    if (!isObject(message)) return message;
    const { [THOUGHT]: _thought, ...rest } = message;
    return rest;
  });
}

function isGiven(limit: unknown): boolean {
  return limit !== undefined && limit !== null;
}
