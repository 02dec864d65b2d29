/**
 * What a provider wants to see again beside a message or a tool call: signatures of what its model thought. It goes out
 * and comes back in `extra_content`, under the provider's own name, as Google's OpenAI-compatible server has it:
 * `{"google":{"thought_signature":"…"}}`. Thoughts are a list there:
 * `{"anthropic":{"thinking":[{"text":"…","signature":"…"}]}}`.
 */
import type { JSONValue } from '@ai-sdk/provider';
import { invalidField } from '../../../platform/errors/index.js';
import { isObject } from '../requests/chat-request.js';

/** What the packages call it, by provider, in lowerCamel. */
export type Metadata = Record<string, Record<string, JSONValue | undefined>>;

/** Those that a provider asks for again; everything else in a package's metadata is of no use to it later. */
const KEPT = new Set(['signature', 'redactedData', 'redactedContent', 'thoughtSignature']);

/** @returns null: nothing in it is needed again */
export function keptOf(metadata: Metadata | undefined, namespace: string): Record<string, JSONValue> | null {
  const fields = metadata?.[namespace];
  if (fields === undefined) return null;
  const kept = Object.entries(fields).filter(
    (entry): entry is [string, string] => KEPT.has(entry[0]) && typeof entry[1] === 'string',
  );
  return kept.length === 0 ? null : Object.fromEntries(kept.map(([key, value]) => [snakeCase(key), value]));
}

/**
 * What a caller sends back for this provider; another provider's is of no use to it.
 *
 * @throws Fault invalid_input
 */
export function extraOf(holder: Readonly<Record<string, unknown>>, namespace: string, at: string): ReturnedExtra {
  const extra = holder['extra_content'];
  if (extra === undefined || extra === null) return NOTHING;
  if (!isObject(extra)) throw invalidField(`${at}.extra_content`, 'must be an object');
  const own = extra[namespace];
  if (own === undefined || own === null) return NOTHING;
  const field = `${at}.extra_content.${namespace}`;
  if (!isObject(own)) throw invalidField(field, 'must be an object');
  const { thinking, ...rest } = own;
  return { metadata: metadataOf(rest, namespace, field), thinking: thinkingIn(thinking, namespace, field) };
}

export interface ReturnedExtra {
  readonly metadata: Metadata | null;
  readonly thinking: readonly { readonly text: string; readonly metadata: Metadata }[];
}

const NOTHING: ReturnedExtra = { metadata: null, thinking: [] };

function thinkingIn(value: unknown, namespace: string, field: string): ReturnedExtra['thinking'] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidField(`${field}.thinking`, 'must be a list');
  return value.map((block: unknown, index) => {
    const at = `${field}.thinking[${index}]`;
    if (!isObject(block)) throw invalidField(at, 'must be an object');
    const { text = '', ...rest } = block;
    if (typeof text !== 'string') throw invalidField(`${at}.text`, 'must be a string');
    const metadata = metadataOf(rest, namespace, at);
    if (metadata === null) throw invalidField(at, 'must hold the signature that came with it');
    return { text, metadata };
  });
}

function metadataOf(fields: Readonly<Record<string, unknown>>, namespace: string, at: string): Metadata | null {
  const kept: Record<string, JSONValue> = {};
  for (const [key, value] of Object.entries(fields)) {
    const name = camelCase(key);
    if (!KEPT.has(name)) continue;
    if (typeof value !== 'string') throw invalidField(`${at}.${key}`, 'must be a string');
    kept[name] = value;
  }
  return Object.keys(kept).length === 0 ? null : { [namespace]: kept };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
