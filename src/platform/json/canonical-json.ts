import { endOfString, endOfValue, keyBetween, QUOTE, skipSpace } from './json-text.js';

const CLOSING_BRACE = 125;
const CLOSING_BRACKET = 93;
const COMMA = 44;

/**
 * One spelling for texts of the same meaning: no spaces, keys in order, each string escaped alike. Numbers and repeated keys
 * stay as they are written, since servers may read them differently.
 *
 * @param text as JSON.parse accepts it
 */
export function canonicalJson(text: string): string {
  return valueAt(text, skipSpace(text, 0)).canonical;
}

interface Read {
  readonly canonical: string;
  /** Just past it. */
  readonly end: number;
}

function valueAt(text: string, at: number): Read {
  const first = text.charCodeAt(at);
  if (first === 123 /* { */) return objectAt(text, at);
  if (first === 91 /* [ */) return listAt(text, at);
  const end = endOfValue(text, at);
  return { canonical: first === QUOTE ? stringOf(text, at, end) : text.slice(at, end), end };
}

function objectAt(text: string, from: number): Read {
  const members: { readonly key: string; readonly member: string }[] = [];
  let at = skipSpace(text, from + 1);
  while (text.charCodeAt(at) !== CLOSING_BRACE) {
    const keyEnd = endOfString(text, at);
    const { canonical, end } = valueAt(text, skipSpace(text, skipSpace(text, keyEnd) + 1));
    members.push({ key: keyBetween(text, at, keyEnd), member: `${stringOf(text, at, keyEnd)}:${canonical}` });
    at = next(text, end);
  }
  members.sort((one, other) => (one.key < other.key ? -1 : one.key > other.key ? 1 : 0));
  return { canonical: `{${members.map(({ member }) => member).join(',')}}`, end: at + 1 };
}

function listAt(text: string, from: number): Read {
  const items: string[] = [];
  let at = skipSpace(text, from + 1);
  while (text.charCodeAt(at) !== CLOSING_BRACKET) {
    const { canonical, end } = valueAt(text, at);
    items.push(canonical);
    at = next(text, end);
  }
  return { canonical: `[${items.join(',')}]`, end: at + 1 };
}

/** The place of the next part, or of the end of the list or object. */
function next(text: string, from: number): number {
  const at = skipSpace(text, from);
  return text.charCodeAt(at) === COMMA ? skipSpace(text, at + 1) : at;
}

function stringOf(text: string, from: number, end: number): string {
  return JSON.stringify(keyBetween(text, from, end));
}
