import { isObject } from '../requests/chat-request.js';
import type { Answer } from './answer-reader.js';
import type { AnswerWords } from './answer-words.js';

/**
 * What Mistral says otherwise: what a model thinks is a part of its content, and goes to `reasoning_content`; a content is then
 * a text; and the end of its context is a `length` like any other.
 */
export const MISTRALS_ANSWERS: AnswerWords = {
  mark: /"model_length"|"content"\s*:\s*\[/,
  read(answer) {
    const { choices } = answer;
    return Array.isArray(choices) ? { ...answer, choices: (choices as readonly unknown[]).map(choiceOf) } : answer;
  },
};

function choiceOf(choice: unknown): unknown {
  if (!isObject(choice)) return choice;
  const { finish_reason: reason, message, delta } = choice;
  return {
    ...choice,
    ...(isObject(message) ? { message: messageOf(message, { content: null }) } : {}),
    ...(isObject(delta) ? { delta: messageOf(delta, {}) } : {}),
    ...(reason === 'model_length' ? { finish_reason: 'length' } : {}),
  };
}

/** @param silent what stands for a content without any text */
function messageOf(message: Answer, silent: Answer): Answer {
  const { content, ...rest } = message;
  if (!Array.isArray(content)) return message;
  const parts = (content as readonly unknown[]).filter(isObject);
  const text = parts.map((part) => (part['type'] === 'text' ? textOf(part['text']) : '')).join('');
  const thought = parts.map((part) => (part['type'] === 'thinking' ? textOf(part['thinking']) : '')).join('');
  return {
    ...rest,
    ...(text === '' ? silent : { content: text }),
    ...(thought === '' ? {} : { reasoning_content: thought }),
  };
}

/** A thought is a text, or a list of parts with texts. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return (value as readonly unknown[]).map((part) => (isObject(part) ? textOf(part['text']) : textOf(part))).join('');
}
