import type { ModelFacts, TokenFamily } from '../models/model-facts.js';
import { isObject, type ChatRequest } from '../providers/requests/chat-request.js';
import { TextEffort } from '../tokens/text-effort.js';
import type { TextBound } from '../tokens/tokenizer.js';
import { boundlessField, CACHE_CONTROL, folded, NOT_IN_PROMPT } from './boundless-fields.js';
import { JsonShape } from './json-shape.js';

/** What stands around each message, part, call and tool in any chat format that is known. */
export const TOKENS_PER_MESSAGE = 16;
const TOKENS_PER_FIELD = 4;
/** Up to here a text is joined with others. */
const SHORT_LENGTH = 4_096;
/** Beyond it a template that indents its JSON would grow by the square of what was sent. */
const MAX_DEPTH = 64;
/** An image in full detail with the model that counts images highest (gpt-4o-mini: 2,833 + 8 tiles of 5,667). */
const MOST_IMAGE_TOKENS = 50_000;
const LOW_DETAIL_IMAGE_TOKENS = 3_000;
const IMAGE_TOKENS: Partial<Record<TokenFamily, number>> = { claude: 5_000 };

/** What a server's own chat template puts before the messages: by family, and once more where there are tools. */
const TEMPLATE_TOKENS: Partial<Record<TokenFamily, number>> = { o200k: 160, cl100k: 64, claude: 128, gemini: 128 };
const LONGEST_TEMPLATE_TOKENS = 1_024;
const TOOL_TEMPLATE_TOKENS = 1_024;
const NAMES_OF_MESSAGE = new Set(['role', 'name', 'tool_call_id', 'refusal', 'reasoning_content']);

export interface PromptBound {
  readonly tokens: number;
  readonly boundless: string | null;
  /** The field that asks for a special price; null: none does. */
  readonly unpriced: string | null;
}

/**
 * The most tokens that a request's prompt can come to (decision 0011): everything that a server might show the model, read as
 * text, plus what formats put around it, plus images by their own rule.
 */
export function boundPrompt(request: ChatRequest, facts: ModelFacts | null, texts: TextBound): PromptBound {
  const sum = new PromptSum(facts, request.model);
  const { value, fields, text } = request.json;
  const shape = new JsonShape(text);
  let boundless: string | null = null;
  for (const [key, span] of fields) {
    const named = shape.countFields(span.start, span.end);
    if (named === null) {
      // Reading it all would take longer than a call may wait, and no client writes such a thing by itself.
      boundless ??= key;
      sum.tokens += request.raw.length;
      continue;
    }
    const field = value[key];
    sum.fields = 0;
    const found = key === 'messages' ? sum.addMessages(field) : sum.addField(key, field, request.choices);
    // JSON.parse keeps the last of two equal keys; a server that keeps the first would read another request than we.
    boundless ??= sum.fields === named ? found : (found ?? key);
  }
  const template = templateTokens(facts, isObjectLike(value['tools']) || isObjectLike(value['functions']));
  return { tokens: template + sum.tokens + sum.textTokens(texts), boundless, unpriced: sum.unpriced };
}

/** What a server's own template comes to at most. */
export function templateTokens(facts: ModelFacts | null, hasTools: boolean): number {
  const ofFamily = facts?.templateTokens ?? TEMPLATE_TOKENS[facts?.family ?? 'unknown'] ?? LONGEST_TEMPLATE_TOKENS;
  return ofFamily + (hasTools ? TOOL_TEMPLATE_TOKENS : 0);
}

/** Google's newer models, before the catalogue knows them. */
const GEMINI_NAME = /gemini/i;

function isObjectLike(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** The most tokens that a text can be: see the table of families in decision 0011. @param effort of all texts of a request */
export function tokensOf(text: string, family: TokenFamily, texts: TextBound, effort = new TextEffort()): number {
  return family === 'o200k' ? effort.counted(text, texts) : effort.byBytes(text, NORMALIZING.has(family));
}

/** Tokenizers that may fold compatibility characters before they look at bytes. */
const NORMALIZING = new Set<TokenFamily>(['claude', 'unknown']);

/** Adds up texts and what stands around them. */
export class PromptSum {
  tokens = 0;
  /**
   * Short texts are counted together, since each count has its price; long ones by themselves, since joining has its
   * own.
   */
  private short = '';
  private readonly long: string[] = [];
  /** Names of fields seen since the last reset. */
  fields = 0;
  unpriced: string | null = null;

  private readonly family: TokenFamily;
  private readonly fetchesDocuments: boolean;

  constructor(
    private readonly facts: ModelFacts | null,
    model: string,
  ) {
    this.family = facts?.family ?? 'unknown';
    this.fetchesDocuments = this.family === 'gemini' || (facts === null && GEMINI_NAME.test(model));
  }

  addText(text: string): void {
    // Tokens may merge over a seam, but never split: the line end pays for the seam.
    if (text.length <= SHORT_LENGTH) this.short += `${text}\n`;
    else this.long.push(text);
  }

  textTokens(texts: TextBound): number {
    const effort = new TextEffort();
    return this.long.reduce(
      (sum, text) => sum + tokensOf(text, this.family, texts, effort),
      tokensOf(this.short, this.family, texts),
    );
  }

  /** @returns the path of what has no bound; null: all of it has one */
  addField(key: string, field: unknown, choices: number): string | null {
    const shown = !NOT_IN_PROMPT.has(key);
    if (folded(key) === CACHE_CONTROL || (Array.isArray(field) && field.some(isCached))) this.unpriced ??= key;
    if (shown) this.addText(key);
    const bounded = this.add(field, 1, shown);
    return boundlessField(key, field, choices) ?? (bounded ? null : key);
  }

  /**
   * Everything in a value, as a template might print it: names, texts, numbers, indented JSON.
   * @returns false: it is nested too deeply to have a bound
   */
  add(value: unknown, depth: number, shown: boolean): boolean {
    if (depth > MAX_DEPTH) return false;
    if (typeof value === 'string') {
      if (shown) this.addText(value);
    } else if (Array.isArray(value)) {
      if (shown) this.tokens += this.lineTokens(depth);
      for (const item of value as readonly unknown[]) {
        if (shown) this.tokens += this.lineTokens(depth);
        if (!this.add(item, depth + 1, shown)) return false;
      }
    } else if (isObject(value)) {
      if (shown) this.tokens += this.lineTokens(depth);
      for (const [key, item] of Object.entries(value)) {
        this.fields += 1;
        if (shown) {
          this.tokens += this.lineTokens(depth);
          this.addText(key);
        }
        if (!this.add(item, depth + 1, shown)) return false;
      }
    } else if (shown) {
      this.addText(String(value));
    }
    return true;
  }

  /** @returns the path of the first thing without a bound; null: all have one */
  addMessages(messages: unknown): string | null {
    let boundless: string | null = null;
    let at = 0;
    for (const message of messages as readonly Readonly<Record<string, unknown>>[]) {
      this.tokens += TOKENS_PER_MESSAGE;
      for (const [key, value] of Object.entries(message)) {
        this.fields += 1;
        const found = key === 'content' ? this.addContent(value) : this.addMessageField(key, value);
        if (found !== null) boundless ??= `messages[${at}].${found}`;
      }
      at += 1;
    }
    return boundless;
  }

  private addMessageField(key: string, value: unknown): string | null {
    const name = folded(key);
    if (name === CACHE_CONTROL) this.unpriced ??= 'messages';
    // Some servers read two spellings of one name as one field, and which of the two they keep is unknown.
    if (name === 'content' || (value !== null && BOUNDLESS_OF_MESSAGE.has(name))) {
      this.add(value, 2, false);
      return key;
    }
    if (typeof value === 'string') {
      this.tokens += TOKENS_PER_FIELD;
      this.addText(NAMES_OF_MESSAGE.has(name) ? value : `${key}\n${value}`);
      return null;
    }
    this.addText(key);
    return this.add(value, 2, true) ? null : key;
  }

  private addContent(content: unknown): string | null {
    if (typeof content === 'string') this.addText(content);
    else if (Array.isArray(content)) return this.addParts(content);
    else if (content !== null) {
      this.add(content, 2, true);
      return 'content';
    }
    return null;
  }

  private addParts(parts: readonly unknown[]): string | null {
    let boundless: string | null = null;
    let at = 0;
    for (const part of parts) {
      this.tokens += TOKENS_PER_FIELD;
      if (typeof part === 'string') this.addText(part);
      else if (!isObject(part) || !this.addPart(part)) boundless ??= `content[${at}]`;
      at += 1;
    }
    return boundless;
  }

  /** @returns false: the part has no bound */
  private addPart(part: Readonly<Record<string, unknown>>): boolean {
    const { type } = part;
    const known = type === 'image_url' ? IMAGE_PART : TEXT_PARTS.has(type) ? TEXT_PART : null;
    let bounded = known !== null;
    for (const [key, value] of Object.entries(part)) {
      this.fields += 1;
      if (key === CACHE_CONTROL) this.unpriced ??= 'messages';
      else if (known?.has(key) !== true && value !== null) bounded = false;
      if (key === 'image_url' && type === 'image_url') bounded = this.addImage(value) && bounded;
      else bounded = this.add(value, 3, bounded && key !== 'type') && bounded;
    }
    return bounded;
  }

  private addImage(image: unknown): boolean {
    let url: unknown = image;
    let detail: unknown = null;
    if (isObject(image)) {
      this.fields += Object.keys(image).length;
      ({ url, detail } = { url: image['url'], detail: image['detail'] });
      for (const [key, value] of Object.entries(image)) if (isObject(value) || folded(key) !== key) return false;
    }
    return this.addImageAt(url, detail);
  }

  /** @returns false: the image has no bound */
  addImageAt(url: unknown, detail: unknown): boolean {
    if (typeof url !== 'string') return false;
    this.tokens += this.imageTokens(detail);
    // Some servers take documents or videos by this field too: what does not call itself an image has no bound, nor has what
    // such a server would fetch.
    return /^data:/i.test(url) ? /^data:image\//i.test(url) : !this.fetchesDocuments;
  }

  private imageTokens(detail: unknown): number {
    const known = this.facts?.imageTokens;
    if (detail === 'low' && this.family === 'o200k') return known?.low ?? LOW_DETAIL_IMAGE_TOKENS;
    const ordinary =
      detail === undefined || detail === null || detail === 'auto' || detail === 'high' || detail === 'low';
    return ordinary && known !== undefined ? known.most : (IMAGE_TOKENS[this.family] ?? MOST_IMAGE_TOKENS);
  }

  /** A line of indented JSON: its quotes, colon and comma, its line end, its white space. */
  private lineTokens(depth: number): number {
    return this.family === 'o200k' ? 3 + Math.floor(depth / 16) : 2 * TOKENS_PER_FIELD + 4 * depth;
  }
}

const TEXT_PARTS = new Set<unknown>(['text', 'input_text', 'output_text', 'refusal', 'thinking', 'reasoning']);
const TEXT_PART = new Set(['type', 'text', 'refusal', 'thinking', 'reasoning', 'annotations', 'signature']);
const IMAGE_PART = new Set(['type', 'image_url']);

/** Things in a message that are not text. */
const BOUNDLESS_OF_MESSAGE = new Set([
  'audio',
  'image',
  'images',
  'image_url',
  'video',
  'videos',
  'file',
  'files',
  'file_ids',
  'attachments',
]);

/** A tool with a mark for the provider's cache. */
function isCached(item: unknown): boolean {
  return isObject(item) && CACHE_CONTROL in item;
}
