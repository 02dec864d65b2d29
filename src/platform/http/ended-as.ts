import type { ServerResponse } from 'node:http';

const BROKEN = new WeakMap<ServerResponse, number>();

/** As nginx counts it: the caller left before the end of its answer. */
const CALLER_LEFT = 499;

/** Says what became of an answer whose head had said 200 already. */
export function endedAs(answer: ServerResponse, status: number): void {
  if (!BROKEN.has(answer)) BROKEN.set(answer, status);
}

/** The status that logs and metrics have: of an answer that broke what it would have had, were its head still to come. */
export function finalStatusOf(answer: ServerResponse): number {
  return BROKEN.get(answer) ?? (answer.writableFinished ? answer.statusCode : CALLER_LEFT);
}
