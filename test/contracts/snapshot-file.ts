import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = process.cwd();
const FOLDER = 'test/contracts';

/**
 * Compares a value with a reviewed and committed JSON file. Each line of the result is one difference:
 * `expect(differencesFrom(…)).toEqual([])`. `UPDATE_CONTRACTS=1` rewrites the file, so that a person can read the diff; where
 * `CI` is set it is refused, since CI reviews nothing.
 */
export function differencesFrom(file: string, actual: object, folder = FOLDER): string[] {
  const name = `${folder}/${file}`;
  const full = path.join(ROOT, name);
  const text = `${JSON.stringify(actual, null, 2)}\n`;
  if (process.env['UPDATE_CONTRACTS'] === '1') {
    if (process.env['CI']) throw new Error('UPDATE_CONTRACTS is set in CI, where no person reviews what it writes.');
    if (!existsSync(full) || readFileSync(full, 'utf8') !== text) writeFileSync(full, text);
    return [];
  }
  if (!existsSync(full)) return [`${name} is missing.`, howTo(name)];
  const reviewed: unknown = JSON.parse(readFileSync(full, 'utf8'));
  const differences = [...differ('', reviewed, JSON.parse(text) as unknown)];
  return differences.length === 0 ? [] : [...differences, howTo(name)];
}

function howTo(name: string): string {
  return (
    `→ If this change is meant, hold it against the contract, then run ` +
    `\`UPDATE_CONTRACTS=1 npm run jest -- test/contracts\` and commit the diff of ${name} with it.`
  );
}

/** Each place where two JSON values differ: `at: reviewed → actual`. */
function* differ(at: string, reviewed: unknown, actual: unknown): Generator<string> {
  if (isNode(reviewed) && isNode(actual) && Array.isArray(reviewed) === Array.isArray(actual)) {
    for (const name of new Set([...Object.keys(reviewed), ...Object.keys(actual)])) {
      const place = at === '' ? name : `${at} › ${name}`;
      if (!Object.hasOwn(actual, name)) yield `gone: ${place} (was ${short(reviewed[name])})`;
      else if (!Object.hasOwn(reviewed, name)) yield `new: ${place}: ${short(actual[name])}`;
      else yield* differ(place, reviewed[name], actual[name]);
    }
  } else if (reviewed !== actual) {
    yield `changed: ${at}: ${short(reviewed)} → ${short(actual)}`;
  }
}

function isNode(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function short(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
