import type { ServerResponse } from 'node:http';

const BROKEN = new WeakMap<ServerResponse, number>();

/** nginx's status for a caller that left before the end of its answer. */
const CALLER_LEFT = 499;

/** Notes how an answer ended that had already begun with status 200. */
export function endedAs(answer: ServerResponse, status: number): void {
  if (!BROKEN.has(answer)) BROKEN.set(answer, status);
}

/** The status for logs and metrics. A broken answer counts with the status that it would have had before its head was sent. */
export function finalStatusOf(answer: ServerResponse): number {
  return BROKEN.get(answer) ?? (answer.writableFinished ? answer.statusCode : CALLER_LEFT);
}
