import { OperatorError } from '../errors/index.js';

/** One plain sentence for a person to read: which migration or database, and what to do. Never holds a password. */
export class MigrationError extends OperatorError {
  override name = 'MigrationError';
}

/** On one line, and without a full stop. Node reports a refused name with several addresses as an empty message. */
export function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return (message || code || String(error)).replaceAll(/\s+/g, ' ').replace(/\.$/, '');
}

/** Where in a file Postgres found the error, if it said so. */
export function placeOf(error: unknown, sql: string): string {
  const { position } = error as { position?: string };
  return position ? `, line ${sql.slice(0, Number(position)).split('\n').length}` : '';
}
