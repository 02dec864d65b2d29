import { OperatorError } from '../../platform/errors/index.js';

/** One plain sentence for a person to read. `cause` holds the end of Postgres' log, or the error underneath. */
export class EmbeddedPostgresError extends OperatorError {
  override name = 'EmbeddedPostgresError';
}
