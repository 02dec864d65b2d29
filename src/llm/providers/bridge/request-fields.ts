import { invalidField } from '../../../platform/errors/index.js';
import { isObject } from '../requests/chat-request.js';
import { unsupported } from './refusals.js';

export type Fields = Readonly<Record<string, unknown>>;

/** Read by the bridge. */
const CARRIED = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'stop',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'response_format',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'reasoning_effort',
]);

/** Labels and hints: they change nothing in the answer, and are dropped. */
const DROPPED = new Set([
  'user',
  'safety_identifier',
  'metadata',
  'store',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
]);

/** Fields that no translated provider carries; true: this value asks for what happens anyway. */
const WITHOUT_PLACE = new Map<string, (value: unknown) => boolean>(
  Object.entries({
    n: (value) => value === 1,
    logprobs: (value) => value === false,
    top_logprobs: (value) => value === 0,
    logit_bias: (value) => isObject(value) && Object.keys(value).length === 0,
    modalities: (value) => Array.isArray(value) && value.length === 1 && value[0] === 'text',
    service_tier: (value) => value === 'auto' || value === 'default',
    verbosity: (value) => value === 'medium',
  }),
);

/**
 * Refuses every field that would be lost on the way to the provider.
 *
 * @throws Fault invalid_input, naming the field
 */
export function assertFieldsCarried(body: Fields, provider: string): void {
  for (const [key, value] of Object.entries(body)) {
    if (value === null || CARRIED.has(key) || DROPPED.has(key)) continue;
    const isUsual = WITHOUT_PLACE.get(key);
    if (isUsual?.(value) !== true) throw unsupported(key, provider);
  }
}

/** @throws Fault invalid_input */
export function numberIn(body: Fields, field: string): number | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number') throw invalidField(field, 'must be a number');
  return value;
}

/** @throws Fault invalid_input */
export function booleanIn(body: Fields, field: string): boolean | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw invalidField(field, 'must be true or false');
  return value;
}

/** @throws Fault invalid_input */
export function stopIn(body: Fields): string[] | undefined {
  const { stop } = body;
  if (stop === undefined || stop === null) return undefined;
  const marks: unknown[] = Array.isArray(stop) ? stop : [stop];
  if (!marks.every((mark) => typeof mark === 'string'))
    throw invalidField('stop', 'must be a string or a list of strings');
  return marks.length === 0 ? undefined : marks;
}
