const MOST_NAME_LENGTH = 100;

/** @param name from the query, of any type */
export function greetingTo(name: unknown): string {
  const known = typeof name === 'string' ? name.trim().slice(0, MOST_NAME_LENGTH) : '';
  return known === '' ? 'Hello!' : `Hello ${known}!`;
}
