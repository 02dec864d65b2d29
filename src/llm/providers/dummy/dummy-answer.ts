import { isObject, type ChatRequest } from '../requests/chat-request.js';
import { countInputTokens } from '../requests/chat-tokens.js';
import type { Tokenizer } from '../../tokens/tokenizer.js';
import { minimalJson } from './minimal-json.js';

/** What the dummy says, the same for the same request. All choices say the same. */
export interface DummyAnswer {
  readonly text: string | null;
  readonly toolCall: { readonly name: string; readonly arguments: string } | null;
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  readonly inputTokens: number;
  /** Of one choice. */
  readonly outputTokens: number;
}

/** The dummy's own limits, as real models have theirs. */
const MAX_OUTPUT_TOKENS = 4_096;
const MAX_TEXT_LENGTH = 32_768;

/** Echoes the last user message, or obeys what the request demands of the answer's form. Needs the tokenizer loaded. */
export function composeDummyAnswer(request: ChatRequest, tokenizer: Tokenizer): DummyAnswer {
  const { value } = request.json;
  const inputTokens = countInputTokens(tokenizer, request);
  const tool = demandedTool(value['tools'], value['tool_choice']);
  if (tool !== null) {
    const args = minimalJson(tool['parameters'] ?? {});
    const toolCall = { name: String(tool['name']), arguments: args };
    const outputTokens = tokenizer.count(toolCall.name) + tokenizer.count(args);
    return { text: null, toolCall, finishReason: 'tool_calls', inputTokens, outputTokens };
  }
  const whole = untilStop(
    formatted(value['response_format']) ?? `You said: ${lastUserText(value['messages'])}`,
    value['stop'],
  );
  const limit = Math.min(request.maxOutputTokens ?? MAX_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS);
  const text = tokenizer.truncate(whole.slice(0, MAX_TEXT_LENGTH).toWellFormed(), limit);
  return {
    text,
    toolCall: null,
    finishReason: text.length < whole.length ? 'length' : 'stop',
    inputTokens,
    outputTokens: Math.min(tokenizer.count(text), limit),
  };
}

/** The tool that the caller insists on: a named one, or with `required` the first. */
function demandedTool(tools: unknown, choice: unknown): Readonly<Record<string, unknown>> | null {
  if (!Array.isArray(tools)) return null;
  const offered = (tools as readonly unknown[]).flatMap((tool) =>
    isObject(tool) && isObject(tool['function']) && typeof tool['function']['name'] === 'string'
      ? [tool['function']]
      : [],
  );
  if (choice === 'required') return offered[0] ?? null;
  const named = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined;
  return offered.find((tool) => tool['name'] === named) ?? null;
}

function formatted(format: unknown): string | null {
  if (!isObject(format)) return null;
  if (format['type'] === 'json_object') return '{}';
  if (format['type'] !== 'json_schema') return null;
  const definition = format['json_schema'];
  return minimalJson(isObject(definition) ? definition['schema'] : {});
}

function lastUserText(messages: unknown): string {
  const last = (messages as readonly Readonly<Record<string, unknown>>[]).findLast(
    (message) => message['role'] === 'user',
  );
  const content = last?.['content'];
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return (content as readonly unknown[])
    .flatMap((part) => (isObject(part) && typeof part['text'] === 'string' ? [part['text']] : []))
    .join('\n');
}

function untilStop(text: string, stop: unknown): string {
  const marks = (Array.isArray(stop) ? stop : [stop]).filter(
    (mark): mark is string => typeof mark === 'string' && mark !== '',
  );
  const ends = marks.map((mark) => text.indexOf(mark)).filter((at) => at !== -1);
  return text.slice(0, Math.min(text.length, ...ends));
}
