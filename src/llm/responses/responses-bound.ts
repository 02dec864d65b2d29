import { replaceField } from '../../platform/json/index.js';
import type { CallBound } from '../calls/operation.js';
import { addsToPrompt, boundlessField, CACHE_CONTROL, folded, NOT_IN_PROMPT } from '../chat/boundless-fields.js';
import { boundOutput, MAX_TOKENS } from '../chat/chat-bound.js';
import { JsonShape } from '../chat/json-shape.js';
import { PromptSum, templateTokens, TOKENS_PER_MESSAGE } from '../chat/prompt-bound.js';
import type { ModelFacts } from '../models/model-facts.js';
import { isObject } from '../providers/requests/chat-request.js';
import type { ResponsesRequest } from '../providers/requests/responses-request.js';
import type { TextBound } from '../tokens/tokenizer.js';

type Fields = Readonly<Record<string, unknown>>;

/** Fields of which the model sees nothing, beside those of chat. */
const NOT_SHOWN = new Set(['max_output_tokens', 'max_tool_calls', 'include', 'truncation', 'background']);
/** Fields that chat knows by other names, or that make a call longer than it says. */
const BOUNDLESS = new Set(['n', 'max_tokens', 'max_completion_tokens', 'context_management']);
/** Items whose content is in the request. All others refer to what the server keeps or did. */
const BOUNDED_ITEMS = new Set<unknown>([
  undefined,
  'message',
  'reasoning',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
]);
const TEXT_PARTS = new Set<unknown>(['input_text', 'output_text', 'text', 'refusal', 'summary_text', 'reasoning_text']);
const IMAGE_PART = new Set(['type', 'image_url', 'detail']);
/** A function is the caller's to run. A tool of any other type runs on the server, which reads what it brings. */
const CALLERS_TOOLS = new Set<unknown>(['function', 'custom']);
const CALLERS_TOOL_KEYS = new Set(['type', 'name', 'description', 'parameters', 'strict', 'format', CACHE_CONTROL]);

/** The most that a call of the Responses API can come to, by the rules of chat (decision 0011). */
export function boundResponses(request: ResponsesRequest, facts: ModelFacts | null, texts: TextBound): CallBound {
  const { value, fields, text } = request.json;
  const sum = new PromptSum(facts, request.model);
  const shape = new JsonShape(text);
  // Known as the model that made it counts; another one may count otherwise, images above all.
  const { previous } = request;
  const history = previous?.model === request.model ? previous.tokens : null;
  let boundless: string | null = null;
  for (const [key, span] of fields) {
    const named = shape.countFields(span.start, span.end);
    if (named === null) {
      boundless ??= key;
      sum.tokens += request.raw.length;
      continue;
    }
    sum.fields = 0;
    const found = key === 'input' ? addInput(sum, value[key]) : addField(sum, key, value[key], history !== null);
    // A field that stands twice: a server might read the other one.
    boundless ??= sum.fields === named ? found : (found ?? key);
  }
  const tokens =
    templateTokens(facts, Array.isArray(value['tools'])) + sum.tokens + (history ?? 0) + sum.textTokens(texts);
  return {
    ...boundOutput(request.model, 1, request.maxOutputTokens, true, facts),
    inputTokens: Math.min(tokens, MAX_TOKENS),
    boundless: addsToPrompt(request.model) ? 'model' : boundless,
    unpriced: sum.unpriced,
  };
}

function addField(sum: PromptSum, key: string, value: unknown, isHistoryKnown: boolean): string | null {
  if (folded(key) === CACHE_CONTROL) sum.unpriced ??= key;
  const shown = !NOT_IN_PROMPT.has(key) && !NOT_SHOWN.has(key);
  if (shown) sum.addText(key);
  const bounded = sum.add(value, 1, shown);
  if (key === 'previous_response_id' && isHistoryKnown) return null;
  return boundlessOf(key, value) ?? (bounded ? null : key);
}

function boundlessOf(key: string, value: unknown): string | null {
  if (value === null) return null;
  const name = folded(key);
  if (name === 'n') return value === 1 ? null : key;
  if (BOUNDLESS.has(name)) return key;
  if (name === 'tools') return boundlessTool(key, value);
  if (key === 'max_output_tokens' || key === 'max_tool_calls') return null;
  return boundlessField(key, value, 1);
}

function boundlessTool(key: string, tools: unknown): string | null {
  if (!Array.isArray(tools)) return key;
  const at = (tools as readonly unknown[]).findIndex(
    (tool) =>
      !isObject(tool) ||
      !CALLERS_TOOLS.has(tool['type']) ||
      !Object.keys(tool).every((name) => CALLERS_TOOL_KEYS.has(name)),
  );
  return at === -1 ? null : `${key}[${at}]`;
}

function addInput(sum: PromptSum, input: unknown): string | null {
  if (typeof input === 'string') {
    sum.tokens += TOKENS_PER_MESSAGE;
    sum.addText(input);
    return null;
  }
  let boundless: string | null = null;
  for (const [at, item] of (Array.isArray(input) ? (input as readonly Fields[]) : []).entries()) {
    sum.tokens += TOKENS_PER_MESSAGE;
    if (!addItem(sum, item)) boundless ??= `input[${at}]`;
  }
  return boundless;
}

/** @returns false: the item has no bound */
function addItem(sum: PromptSum, item: Fields): boolean {
  let bounded = BOUNDED_ITEMS.has(item['type']);
  for (const [key, value] of Object.entries(item)) {
    sum.fields += 1;
    if (folded(key) === CACHE_CONTROL) sum.unpriced ??= 'input';
    const holdsParts = (key === 'content' || key === 'output' || key === 'summary') && Array.isArray(value);
    if (!holdsParts) {
      if (typeof value === 'string') sum.addText(`${key}\n${value}`);
      else bounded = sum.add(value, 2, true) && bounded;
      continue;
    }
    for (const part of value as readonly unknown[]) bounded = addPart(sum, part) && bounded;
  }
  return bounded;
}

function addPart(sum: PromptSum, part: unknown): boolean {
  if (!isObject(part)) return sum.add(part, 3, true);
  if (CACHE_CONTROL in part) sum.unpriced ??= 'input';
  if (part['type'] !== 'input_image') return sum.add(part, 3, true) && TEXT_PARTS.has(part['type']);
  const { image_url: url, detail } = part;
  sum.fields += Object.keys(part).length;
  const known = Object.entries(part).every(([key, value]) => IMAGE_PART.has(key) || value === null);
  return sum.addImageAt(url, detail) && known;
}

/** The same request with another output limit; every other byte is the caller's, but for a byte order mark. */
export function withResponsesLimit(
  request: ResponsesRequest,
  _facts: ModelFacts | null,
  tokens: number,
): ResponsesRequest {
  if (!Number.isSafeInteger(tokens) || tokens < 1)
    throw new RangeError('An output limit is a whole number of at least 1.');
  const json = replaceField(request.json, 'max_output_tokens', tokens);
  return { ...request, raw: json.bytes, json, maxOutputTokens: tokens };
}
