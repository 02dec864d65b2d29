import type { ProviderRequest } from '../requests/request-fields.js';

const MAX_LENGTH = 300;
/** Looking for each word in a longer request would take too long: then the status alone is logged. */
const MAX_REQUEST_BYTES = 256 * 1024;
const HIDDEN = '[…]';
/** A key, an id, a hash: long, and with a digit in it. */
const LIKE_A_SECRET = /^(?=.*\d)[\w.-]{16,}$|^(?:sk|pk|key|bearer)[-_]/i;
const PLAIN = /^[\w.-]+$/;
/** Words of errors. If one of them is in a prompt too, logging it tells nothing of the prompt. */
const OF_ERRORS = new Set(
  (
    'a an the and or of to for by in is are was were be not no this that your you has have must can may with because ' +
    'request requests input inputs output prompt message messages content model models provider error errors invalid ' +
    'requires required moderation moderated flagged blocked filter filtered policy safety refused rejected denied ' +
    'forbidden allowed unsupported support supported violates violation exceeded limit maximum tokens field value ' +
    'key api access account permission region country status code'
  ).split(' '),
);

/**
 * What a provider said of a call, fit for a log: without quotations, without any word of the request but those that errors
 * are made of, and without what looks like a key.
 *
 * @returns null: nothing that can be logged
 */
export function saidSafely(said: string | null, request: ProviderRequest, secret: string | undefined): string | null {
  if (said === null || said === '' || request.raw.length > MAX_REQUEST_BYTES) return null;
  const bare = secret === undefined ? said : said.replaceAll(secret, HIDDEN);
  const prompt = textOf(request);
  const words = bare
    .slice(0, MAX_LENGTH)
    .replace(/"[^"]*"|`[^`]*`|“[^”]*”|(?<!\w)'[^']*'/g, HIDDEN)
    .split(/(?<=\s)|(?=\s)/)
    .map((word) => word.replace(/[^\s:;,!?()[\]{}<>"'…]+/g, (core) => (isSafe(core, prompt) ? core : HIDDEN)));
  return words.join('').replace(/\[(?:\[…\]|…)\]/g, HIDDEN);
}

function isSafe(word: string, prompt: string): boolean {
  const bare = word.toLowerCase().replace(/\.+$/, '');
  if (bare === '' || OF_ERRORS.has(bare)) return true;
  return PLAIN.test(bare) && !LIKE_A_SECRET.test(bare) && !prompt.includes(bare);
}

/** Every text of the request; and as it was written, which its numbers are in too. */
function textOf({ json }: ProviderRequest): string {
  const texts: string[] = [];
  collectTexts(json.value, texts);
  return `${texts.join('\n')}\n${json.text}`.toLowerCase();
}

function collectTexts(value: unknown, texts: string[]): void {
  if (typeof value === 'string') texts.push(value);
  else if (typeof value === 'object' && value !== null)
    for (const part of Object.values(value)) collectTexts(part, texts);
}
