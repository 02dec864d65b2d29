import pg from 'pg';

/** Longer than any statement of ours takes, shorter than a caller's patience. */
const ANSWER_WITHIN_MS = 5000;

type Callback = (error: Error | null, result: unknown) => void;
type Query = (this: pg.Client, ...args: unknown[]) => unknown;

/**
 * A connection that does not wait for ever. Where Postgres does not answer a statement in time (its host is gone, a
 * firewall forgot the connection), the socket is cut: the statement fails as a connection error and the pool opens another
 * connection. The driver's own timeout would fail the statement and go on using the connection that does not answer.
 */
export class ImpatientClient extends pg.Client {
  static {
    const inherited = Reflect.get(pg.Client.prototype, 'query') as unknown as Query;
    const impatient: Query = function (...args) {
      const timer = setTimeout(() => cut(this), ANSWER_WITHIN_MS);
      const callback = args.at(-1);
      if (typeof callback === 'function') {
        const answered: Callback = (error, result) => {
          clearTimeout(timer);
          (callback as Callback)(error, result);
        };
        return inherited.apply(this, [...args.slice(0, -1), answered]);
      }
      const answer = inherited.apply(this, args);
      const done = (): void => clearTimeout(timer);
      if (answer instanceof Promise) answer.then(done, done);
      else done();
      return answer;
    };
    Object.defineProperty(this.prototype, 'query', { value: impatient, configurable: true, writable: true });
  }
}

function cut(client: pg.Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
