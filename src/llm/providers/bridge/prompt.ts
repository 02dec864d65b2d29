import type { LanguageModelV4FilePart, LanguageModelV4Message, LanguageModelV4TextPart } from '@ai-sdk/provider';
import { invalidField } from '../../../platform/errors/index.js';
import { assertAlike, assertBounded, USUAL_BOUNDS } from '../../../platform/json/index.js';
import { isObject } from '../requests/chat-request.js';
import { extraOf } from './extra-content.js';
import { filePartOf, type FileKinds, type RemoteImage } from './files.js';
import { unsupported } from './refusals.js';
import type { Fields } from './request-fields.js';

/** What a provider's messages can hold. */
export interface PromptTraits extends FileKinds {
  /** As errors name it. */
  readonly provider: string;
  /** The package's name for its options, under which signatures come back. */
  readonly namespace: string;
  /** System messages after the first turn. */
  readonly systemAnywhere: boolean;
  /** Text beside an assistant's tool calls. */
  readonly textBesideToolCalls: boolean;
  /** Marks up to which the provider keeps the prompt in its cache. */
  readonly cacheControl: boolean;
}

type AssistantMessage = Extract<LanguageModelV4Message, { role: 'assistant' }>;
type ToolMessage = Extract<LanguageModelV4Message, { role: 'tool' }>;

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool']);
/** Of a tool's message the name only repeats the call's. */
const NAMED = new Set(['tool']);

/**
 * OpenAI's messages as the packages take them. What would be lost on the way is refused.
 *
 * @throws Fault invalid_input, naming the field
 */
export function promptOf(messages: readonly Fields[], traits: PromptTraits): Prompt {
  assertArgumentsBounded(messages);
  const reader = new PromptReader(traits);
  messages.forEach((message, index) => reader.add(message, `messages[${index}]`));
  return { prompt: reader.prompt, images: reader.images };
}

export interface Prompt {
  readonly prompt: LanguageModelV4Message[];
  /** Images that are named by a URL. */
  readonly images: readonly RemoteImage[];
}

class PromptReader {
  readonly prompt: LanguageModelV4Message[] = [];
  readonly images: RemoteImage[] = [];
  /** The tool of each call by its id. */
  private readonly tools = new Map<string, string>();
  private begun = false;

  constructor(private readonly traits: PromptTraits) {}

  add(message: Fields, at: string): void {
    const { role, name } = message;
    if (typeof role !== 'string' || !ROLES.has(role))
      throw invalidField(`${at}.role`, `must be one of ${[...ROLES].join(', ')}`);
    if (name !== undefined && name !== null && !NAMED.has(role)) throw unsupported(`${at}.name`, this.traits.provider);
    switch (role) {
      case 'user':
        this.prompt.push({ role: 'user', content: this.userParts(message, at) });
        break;
      case 'assistant':
        this.prompt.push(this.assistantMessage(message, at));
        break;
      case 'tool':
        this.addToolResult(message, at);
        break;
      default:
        this.addSystem(message, at);
        return;
    }
    this.begun = true;
  }

  private addSystem(message: Fields, at: string): void {
    if (this.begun && !this.traits.systemAnywhere)
      throw unsupported(`${at}.role`, this.traits.provider, 'put system messages before all others');
    const options = this.cacheOptions(lastPartOf(message), at);
    this.prompt.push({ role: 'system', content: textOf(message['content'], `${at}.content`), ...options });
  }

  private userParts(message: Fields, at: string): (LanguageModelV4TextPart | LanguageModelV4FilePart)[] {
    const { content } = message;
    if (typeof content === 'string') return [{ type: 'text', text: content }];
    if (!Array.isArray(content)) throw invalidField(`${at}.content`, 'must be a string or a list of parts');
    return content.map((part: unknown, index) => {
      const place = `${at}.content[${index}]`;
      if (!isObject(part)) throw invalidField(place, 'must be an object');
      const options = this.cacheOptions(part, place);
      if (part['type'] !== 'text') {
        const file = { ...filePartOf(part, place, this.traits), ...options };
        if (file.data.type === 'url') this.images.push({ part: file, field: `${place}.image_url.url` });
        return file;
      }
      return { type: 'text', text: stringIn(part, 'text', place), ...options };
    });
  }

  private assistantMessage(message: Fields, at: string): AssistantMessage {
    const { traits } = this;
    for (const field of ['audio', 'function_call'])
      if (isGiven(message[field])) throw unsupported(`${at}.${field}`, traits.provider);
    const content: AssistantMessage['content'] = [];
    const extra = extraOf(message, traits.namespace, at);
    for (const { text, metadata } of extra.thinking)
      content.push({ type: 'reasoning', text, providerOptions: providerOptionsOf(metadata) });
    const text =
      (isGiven(message['content']) ? textOf(message['content'], `${at}.content`) : '') +
      (typeof message['refusal'] === 'string' ? message['refusal'] : '');
    const calls = message['tool_calls'];
    const hasCalls = Array.isArray(calls) && calls.length > 0;
    if (text !== '') {
      if (hasCalls && !traits.textBesideToolCalls)
        throw unsupported(`${at}.content`, traits.provider, 'leave out the text beside tool calls');
      const options = extra.metadata === null ? {} : { providerOptions: providerOptionsOf(extra.metadata) };
      content.push({ type: 'text', text, ...options, ...this.cacheOptions(lastPartOf(message), at) });
    }
    if (isGiven(calls) && !Array.isArray(calls)) throw invalidField(`${at}.tool_calls`, 'must be a list');
    if (hasCalls)
      calls.forEach((call: unknown, index) => content.push(this.toolCall(call, `${at}.tool_calls[${index}]`)));
    return { role: 'assistant', content };
  }

  private toolCall(call: unknown, at: string): AssistantMessage['content'][number] {
    if (!isObject(call)) throw invalidField(at, 'must be an object');
    const { type = 'function', function: called } = call;
    if (type !== 'function') throw unsupported(`${at}.type`, this.traits.provider, 'only functions are');
    if (!isObject(called)) throw invalidField(`${at}.function`, 'must be an object');
    const toolCallId = stringIn(call, 'id', at);
    const toolName = stringIn(called, 'name', `${at}.function`);
    this.tools.set(toolCallId, toolName);
    const { metadata } = extraOf(call, this.traits.namespace, at);
    return {
      type: 'tool-call',
      toolCallId,
      toolName,
      input: argumentsIn(called, `${at}.function`),
      ...(metadata === null ? {} : { providerOptions: providerOptionsOf(metadata) }),
    };
  }

  /** The results of parallel calls stand in one message. */
  private addToolResult(message: Fields, at: string): void {
    const toolCallId = stringIn(message, 'tool_call_id', at);
    const toolName = this.tools.get(toolCallId);
    if (toolName === undefined) throw invalidField(`${at}.tool_call_id`, 'must be the id of a tool call before it');
    const part: ToolMessage['content'][number] = {
      type: 'tool-result',
      toolCallId,
      toolName,
      output: { type: 'text', value: textOf(message['content'], `${at}.content`) },
      ...this.cacheOptions(lastPartOf(message), at),
    };
    const last = this.prompt.at(-1);
    if (last?.role === 'tool') last.content.push(part);
    else this.prompt.push({ role: 'tool', content: [part] });
  }

  private cacheOptions(
    holder: Fields | null,
    at: string,
  ): { providerOptions?: Record<string, { cacheControl: { type: 'ephemeral'; ttl?: string } }> } {
    const mark = holder?.['cache_control'];
    if (!isGiven(mark)) return {};
    return { providerOptions: { [this.traits.namespace]: { cacheControl: cacheControlOf(mark, at, this.traits) } } };
  }
}

/** @throws Fault invalid_input */
export function cacheControlOf(
  mark: unknown,
  at: string,
  traits: Pick<PromptTraits, 'provider' | 'cacheControl'>,
): { type: 'ephemeral'; ttl?: string } {
  if (!traits.cacheControl) throw unsupported(`${at}.cache_control`, traits.provider);
  if (!isObject(mark) || mark['type'] !== 'ephemeral')
    throw invalidField(`${at}.cache_control`, 'must be {"type":"ephemeral"}');
  const { ttl } = mark;
  if (ttl !== undefined && ttl !== '5m' && ttl !== '1h')
    throw invalidField(`${at}.cache_control.ttl`, 'must be 5m or 1h');
  return { type: 'ephemeral', ...(ttl === undefined ? {} : { ttl }) };
}

/** Metadata has no undefined values once it was read. */
function providerOptionsOf(
  metadata: NonNullable<ReturnType<typeof extraOf>['metadata']>,
): Record<string, Record<string, string>> {
  return metadata as Record<string, Record<string, string>>;
}

function lastPartOf(message: Fields): Fields | null {
  const { content } = message;
  const last: unknown = Array.isArray(content) ? content.at(-1) : null;
  return isObject(last) ? last : null;
}

export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function textOf(content: unknown, at: string): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw invalidField(at, 'must be a string or a list of text parts');
  const texts = content.map((part: unknown, index) => {
    const text = isObject(part) ? (part['type'] === 'refusal' ? part['refusal'] : part['text']) : undefined;
    if (!isObject(part) || (part['type'] !== 'text' && part['type'] !== 'refusal') || typeof text !== 'string')
      throw invalidField(`${at}[${index}]`, 'must be a text part');
    return text;
  });
  return texts.join('');
}

function stringIn(holder: Fields, field: string, at: string): string {
  const value = holder[field];
  if (typeof value !== 'string') throw invalidField(`${at}.${field}`, 'must be a string');
  return value;
}

/**
 * The arguments of calls are JSON within strings, which the bounds on bodies don't look into; of all calls together they are
 * held to the same.
 *
 * @throws Fault payload_too_large, invalid_input
 */
function assertArgumentsBounded(messages: readonly Fields[]): void {
  const texts: string[] = [];
  for (const { tool_calls: calls } of messages) {
    if (!Array.isArray(calls)) continue;
    for (const call of calls as readonly unknown[])
      if (isObject(call) && isObject(call['function']) && typeof call['function']['arguments'] === 'string')
        texts.push(call['function']['arguments']);
  }
  if (texts.length === 0) return;
  const joined = Buffer.from(`[${texts.join(',')}]`);
  assertBounded(joined, USUAL_BOUNDS);
  assertAlike(joined);
}

function argumentsIn(called: Fields, at: string): unknown {
  const text = stringIn(called, 'arguments', at);
  let input: unknown = {};
  try {
    if (text !== '') input = JSON.parse(text);
  } catch {
    throw invalidField(`${at}.arguments`, 'must be JSON');
  }
  if (!isObject(input)) throw invalidField(`${at}.arguments`, 'must be a JSON object');
  return input;
}
