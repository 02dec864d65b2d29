import {
  ModelCatalogue,
  NOTHING_USED,
  type AnswerSink,
  type Attempt,
  type CallBound,
  type Operation,
  type OperationName,
  type Provider,
  type Route,
} from '../llm/index.js';
import type { KeptAnswer } from './kept-answer.js';

/** As the ledger names what a gateway's cache answers. */
export const CACHE = 'cache';

const CATALOGUE = ModelCatalogue.of(CACHE, []);
const OPERATIONS: ReadonlySet<OperationName> = new Set(['chat', 'embeddings', 'responses']);
const ignore = (): void => undefined;

const ATTEMPT: Attempt = {
  status: 200,
  answeredBy: null,
  complete: true,
  usage: () => NOTHING_USED,
  abort: ignore,
  pause: ignore,
  resume: ignore,
};

/** Gives a kept answer in a provider's place: the call is admitted, settled and told as any other, at no cost. */
class KeptAnswerProvider implements Provider {
  readonly name = CACHE;
  readonly kind = CACHE;
  readonly catalogue = CATALOGUE;
  readonly operations = OPERATIONS;

  constructor(private readonly answer: KeptAnswer) {}

  start(_operation: string, _request: object, sink: AnswerSink): Attempt {
    const { form, headers, body } = this.answer;
    queueMicrotask(() => {
      if (form === 'json') return sink.onJson(headers, body);
      sink.onStreamData(headers, body);
      sink.onStreamEnd();
    });
    return ATTEMPT;
  }
}

export function routeToKept(answer: KeptAnswer): Route {
  return { name: null, targets: [{ provider: new KeptAnswerProvider(answer), model: answer.model }], plan: null };
}

/** Nothing is asked for, so that limits of tokens and cost hold nothing for it. */
const NOTHING: CallBound = {
  choices: 1,
  inputTokens: 0,
  outputTokens: 0,
  defaultOutput: null,
  outputIsBounded: true,
  boundless: null,
  unpriced: null,
};

/** The same operation, of a call that no provider gets. */
export function answeredFromCache<Name extends OperationName>(operation: Operation<Name>): Operation<Name> {
  return {
    ...operation,
    withModel: (request) => request,
    bound: () => NOTHING,
    limitOutput: (request) => request,
    chargeEstimate: (estimate) => estimate,
  };
}
