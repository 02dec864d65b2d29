import { PLACEHOLDERS } from '../../../src/app/openapi/examples.js';
import type { Answer } from '../../support/service.js';

const UNIX_TIME = 1_769_850_000;
const A_WHILE_MS = 250;
/** The number of a stream's events that an example shows before its last two. */
const FIRST_EVENTS = 3;
/** The number of a vector's numbers that an example shows. */
const FIRST_NUMBERS = 3;

/** Values that differ in each run, are secret or name this machine, with their placeholders. */
const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/eyJ[\w-]+\.[\w.-]+/g, 'eyJhbGciOi…'],
  [/\b(sk|pk|gw)_gh_\w{33}\b/g, '$1_gh_abc123…'],
  [/\b(sk|pk)_gh_\w{6}\b(?!…)/g, '$1_gh_abc123'],
  [/\binv_\w{24,}\b/g, 'inv_abc123…'],
  [/\bwhsec_[\w+/=]{20,}/g, 'whsec_abc123…'],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, PLACEHOLDERS.runId],
  [/\b(key|provider|route|gateway|gateway_token|org|invitation|webhook)_\w{20}\b/g, '$1_0123456789abcdefghij'],
  [/\but_\w{24}\b/g, 'ut_0123456789abcdefghijklmn'],
  [/\breq_[\w-]+/g, 'req_0123456789'],
  [/\b(resp|msg)_[0-9a-f]{48}\b/g, '$1_0123456789'],
  [/\bchatcmpl-\w+/g, 'chatcmpl-0123456789'],
  [/\b(gatehouse|acme|staging)-[a-z0-9]{6}(?:-[a-z0-9]{6})?\b/g, '$1-a1b2c3'],
  [/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-01-31T09:00:00.000Z'],
  [/("created(?:_at)?"|"completed_at"):1[7-9]\d{8}\b/g, `$1:${UNIX_TIME}`],
  [/("\w+(?:Ms|Milliseconds)"):\d+(?:\.\d+)?/g, `$1:${A_WHILE_MS}`],
  [/http:\/\/127\.0\.0\.1:\d+/g, 'https://example.com'],
  [/\b127\.0\.0\.1\b/g, '203.0.113.7'],
];

/** An answer as the document shows it: JSON, or the text of any other form. */
export function asExample(type: string, answer: Answer): unknown {
  if (type === 'application/json') return steady('', answer.json());
  if (type !== 'text/event-stream') return steadyText(answer.text);
  const events = answer.text.trimEnd().split('\n\n');
  const isLong = events.length > FIRST_EVENTS + 2;
  // A line that begins with a colon is a comment.
  const shown = isLong ? [...events.slice(0, FIRST_EVENTS), ': more events', ...events.slice(-2)] : events;
  return `${shown.map(steadyText).join('\n\n')}\n\n`;
}

function steady(name: string, value: unknown): unknown {
  if (name === 'embedding' && Array.isArray(value)) return value.slice(0, FIRST_NUMBERS);
  if (Array.isArray(value)) return value.map((part) => steady(name, part));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([field, part]) => [field, steady(field, part)]));
  if (typeof value === 'string') return ['x', 'y', 'kid'].includes(name) ? 'abc123…' : steadyText(value);
  if (typeof value !== 'number') return value;
  if (/(?:Ms|Milliseconds)$/.test(name)) return A_WHILE_MS;
  return /^(?:created|created_at|completed_at)$/.test(name) && value > 0 ? UNIX_TIME : value;
}

function steadyText(text: string): string {
  return REPLACED.reduce((whole, [pattern, fixed]) => whole.replaceAll(pattern, fixed), text);
}
