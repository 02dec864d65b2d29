/**
 * An error that an operator can fix: a setting, a port, a database that is down. Its message is one plain sentence, says
 * what to do, and never holds a password; it ends the process without a stack trace.
 */
export class OperatorError extends Error {
  override name = 'OperatorError';
}
