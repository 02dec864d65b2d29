import { isObject, type ChatRequest } from '../requests/chat-request.js';
import { limitedTo } from './refusals.js';

/** The largest window that a model has, two million tokens, holds less. */
const MOST_CHARACTERS = 8 * 1024 * 1024;
/** Images and files: they take less work than text, since nothing in them has to be escaped. */
const FILE_FIELDS = new Set(['url', 'file_data', 'data']);

/**
 * Refuses a request with more text than any model reads: a package writes all of it at once, while every other call waits.
 *
 * @throws Fault invalid_input
 */
export function assertTextCarried({ raw, json }: ChatRequest, provider: string): void {
  if (raw.length <= MOST_CHARACTERS || textLength(json.value) <= MOST_CHARACTERS) return;
  throw limitedTo('messages', `at most ${MOST_CHARACTERS} characters of text beside images and files`, provider);
}

function textLength(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (Array.isArray(value))
    return (value as readonly unknown[]).reduce<number>((sum, item) => sum + textLength(item), 0);
  if (!isObject(value)) return 0;
  return Object.entries(value).reduce((sum, [key, item]) => {
    const isFile = FILE_FIELDS.has(key) && typeof item === 'string';
    return sum + key.length + (isFile ? 0 : textLength(item));
  }, 0);
}
