import { invalidField } from '../../../platform/errors/index.js';
import { isObject } from '../requests/chat-request.js';
import { merged } from './extra-content.js';

type Fields = Readonly<Record<string, unknown>>;

const TEXTS = new Set<unknown>(['input_text', 'output_text', 'text']);
const ROLES = new Set<unknown>(['user', 'assistant', 'system', 'developer']);

/**
 * The items of a Responses call as messages of a chat. What an assistant said and the calls that it made after it are one
 * message there. Signatures of thoughts come back with the items that brought them.
 *
 * @throws Fault invalid_input, naming the item that can't be carried
 */
export function messagesOf({ instructions, input }: Fields): readonly Fields[] {
  const messages: Fields[] = [];
  if (typeof instructions === 'string') messages.push({ role: 'system', content: instructions });
  else if (instructions !== undefined && instructions !== null)
    throw invalidField('instructions', "must be a string for this model's provider");
  if (typeof input === 'string') return [...messages, { role: 'user', content: input }];
  /** What the assistant's next message has to bring back. */
  let thoughts: Fields | null = null;
  let calling: { role: 'assistant'; content: unknown; tool_calls: Fields[]; extra_content?: Fields } | null = null;
  for (const [at, item] of (Array.isArray(input) ? (input as readonly Fields[]) : []).entries()) {
    const path = `input[${at}]`;
    const { type = 'message' } = item;
    if (type === 'reasoning') {
      if (isObject(item['extra_content'])) thoughts = merged(thoughts, item['extra_content']);
      continue;
    }
    if (type === 'function_call') {
      const last: Fields | undefined = messages.at(-1);
      if (calling === null || last !== calling) {
        const said = last?.['role'] === 'assistant' ? messages.pop() : undefined;
        calling = { role: 'assistant', content: said?.['content'] ?? null, tool_calls: [], ...extraOf(said) };
        messages.push(calling);
      }
      if (thoughts !== null) calling.extra_content = merged(calling.extra_content ?? null, thoughts);
      thoughts = null;
      calling.tool_calls.push({ ...callOf(item, path), ...extraOf(item) });
    } else if (type === 'function_call_output') {
      messages.push({ role: 'tool', tool_call_id: textOf(item, 'call_id', path), content: outputOf(item, path) });
    } else if (type === 'message') {
      const message = messageOf(item, path);
      const isAnswer = message['role'] === 'assistant';
      const extra = isAnswer && isObject(item['extra_content']) ? merged(thoughts, item['extra_content']) : thoughts;
      if (isAnswer) thoughts = null;
      messages.push({ ...message, ...(isAnswer && extra !== null ? { extra_content: extra } : {}) });
    } else if (type === 'item_reference') {
      throw invalidField(
        path,
        "names an item, and this model's provider keeps none; set `store` to false, and send the item itself",
      );
    } else {
      throw invalidField(path, `${typed(type)}, which can't be carried to this model's provider`);
    }
  }
  if (messages.length === 0) throw invalidField('input', 'must hold at least one message');
  return messages;
}

/** A caller may send anything as a type, also what has no text. */
function typed(type: unknown): string {
  return typeof type === 'string' ? `is a ${type}` : 'has a type that is not a string';
}

function extraOf(holder: Fields | undefined): { extra_content?: Fields } {
  const extra = holder?.['extra_content'];
  return isObject(extra) ? { extra_content: extra } : {};
}

function messageOf(item: Fields, path: string): Fields {
  const { role, content } = item;
  if (!ROLES.has(role)) throw invalidField(`${path}.role`, 'must be user, assistant, system or developer');
  // Many servers know no developer.
  const speaker = role === 'developer' ? 'system' : role;
  if (typeof content === 'string') return { role: speaker, content };
  if (!Array.isArray(content)) throw invalidField(`${path}.content`, 'must be a string or an array of parts');
  const parts = (content as readonly unknown[]).map((part, at) => partOf(part, `${path}.content[${at}]`));
  if (role === 'user') return { role: speaker, content: parts };
  const [refusal] = parts.filter((part) => part['type'] === 'refusal');
  const texts = parts.map((part, at) => {
    if (part['type'] === 'image_url')
      throw invalidField(`${path}.content[${at}]`, 'is an image, which only users send');
    return part['type'] === 'text' ? String(part['text']) : '';
  });
  return {
    role: speaker,
    content: texts.join(''),
    ...(refusal === undefined ? {} : { refusal: refusal['refusal'] }),
  };
}

function partOf(part: unknown, path: string): Fields {
  if (!isObject(part)) throw invalidField(path, 'must be an object');
  const { type } = part;
  if (TEXTS.has(type)) return { type: 'text', text: textOf(part, 'text', path) };
  if (type === 'refusal') return { type, refusal: textOf(part, 'refusal', path) };
  if (type === 'input_image' && typeof part['image_url'] === 'string') {
    const { image_url: url, detail } = part;
    return { type: 'image_url', image_url: { url, ...(typeof detail === 'string' ? { detail } : {}) } };
  }
  throw invalidField(
    path,
    `${typed(type)}, which can't be carried to this model's provider; it takes input_text, and input_image with image_url`,
  );
}

function callOf(item: Fields, path: string): Fields {
  return {
    id: textOf(item, 'call_id', path),
    type: 'function',
    function: { name: textOf(item, 'name', path), arguments: textOf(item, 'arguments', path) },
  };
}

function outputOf(item: Fields, path: string): string {
  const { output } = item;
  if (!Array.isArray(output)) return textOf(item, 'output', path);
  const parts = (output as readonly unknown[]).map((part, at) => {
    if (isObject(part) && TEXTS.has(part['type'])) return textOf(part, 'text', `${path}.output[${at}]`);
    throw invalidField(`${path}.output[${at}]`, "must be a text for this model's provider");
  });
  return parts.join('');
}

function textOf(fields: Fields, name: string, path: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw invalidField(`${path}.${name}`, 'must be a string');
  return value;
}
