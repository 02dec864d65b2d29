/** Callers who leave before the provider has said what was used. */
import { completion, streamPieces, usageChunk, usageOf, type UpstreamAnswer } from '../../support/openai-upstream.js';
import type { Form } from './row.js';

export interface HangUp {
  readonly what: string;
  readonly model: string;
  readonly forms: readonly Form[];
  /** @param left resolves once the caller has left */
  readonly answer: (form: Form, left: Promise<unknown>) => UpstreamAnswer;
  /** The text after which the caller of a stream leaves. */
  readonly leavesAt: string;
  /** The output tokens that are charged. */
  readonly output: number;
}

/** A report of far more tokens than were shown, which arrives after the caller has left. */
const thought = (model: string): HangUp => ({
  what: `an answer of ${model}`,
  model,
  forms: ['JSON', 'stream'],
  answer: (form, left) => {
    const usage = usageOf(30, 20_000);
    if (form === 'JSON') return { kind: 'body', body: completion({ model, usage }), after: left };
    const report = usageChunk(usage, model);
    return { kind: 'stream', pieces: [...streamPieces({ model }), left.then(() => report)] };
  },
  leavesAt: 'upstream.',
  output: 20_000,
});

/** Words of one token each. */
const WORDS = [...Array.from({ length: 499 }, () => ' word'), ' end'];

export const HANG_UPS: readonly HangUp[] = [
  ...['ft:o4-mini-2025-04-16:acme::abc', 'gemini-flash-latest', 'grok-4', 'a-model-that-is-not-known'].map(thought),
  {
    what: 'an answer that reported its usage before its words',
    model: 'gpt-4o-mini',
    forms: ['stream'],
    answer: (_form, left) => ({
      kind: 'stream',
      // LangChain passes a piece on when the next one arrives, so an empty one follows the last.
      pieces: [usageChunk(usageOf(10, 0)), ...streamPieces({ words: [...WORDS, ''] }).slice(0, -1), left],
    }),
    leavesAt: ' end',
    output: 500,
  },
];
