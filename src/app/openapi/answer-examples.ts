import { readFileSync } from 'node:fs';
import { exampleIdOf } from './examples.js';
import type { ToldRoute } from './operations.js';

/** Media type by media type, what an operation answered to its example. */
type RecordedAnswers = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** From src/ and from dist/ the same number of folders up. test/http/docs/examples.spec.ts records it. */
const RECORDED = new URL('../../../docs/openapi.answers.json', import.meta.url);

export function recordedAnswers(): RecordedAnswers {
  return JSON.parse(readFileSync(RECORDED, 'utf8')) as RecordedAnswers;
}

/** Puts into the document what a running service answered to the operation's example. */
export function tellAnswer({ operation }: ToldRoute, answers: RecordedAnswers): void {
  const answer = operation.responses['200'];
  if (answer === undefined || !('content' in answer)) return;
  const recorded = answers[exampleIdOf(operation.operationId ?? '')] ?? {};
  for (const [type, media] of Object.entries(answer.content ?? {})) {
    if (Object.hasOwn(recorded, type)) media.example = recorded[type];
  }
}
