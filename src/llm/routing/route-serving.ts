import { Fault } from '../../platform/errors/index.js';
import type { KnownModels } from '../models/model-facts.js';
import type { OperationName, Provider } from '../providers/provider.js';
import { ResponsesByChat } from '../providers/responses/responses-by-chat.js';
import type { Route, Target } from './route.js';

const PATHS: Readonly<Record<OperationName, string>> = {
  chat: '/v1/chat/completions',
  embeddings: '/v1/embeddings',
  responses: '/v1/responses',
};

type Models = Pick<KnownModels, 'find'>;

/**
 * The same route, by providers that can be asked for this operation: responses are served by each that has chat
 * completions.
 *
 * @throws Fault invalid_input: a target can't be asked for it
 */
export function routeServing(route: Route, operation: OperationName, model: string, models: Models): Route {
  if (route.targets.every(({ provider }) => provider.operations.has(operation))) return route;
  const serving = <One extends Target>(target: One): One => ({
    ...target,
    provider: providerServing(target.provider, operation, model, models),
  });
  const { plan } = route;
  return {
    ...route,
    targets: mapped(route.targets, serving),
    plan: plan === null ? null : { ...plan, targets: mapped(plan.targets, serving) },
  };
}

function mapped<One>([first, ...others]: readonly [One, ...One[]], change: (one: One) => One): [One, ...One[]] {
  return [change(first), ...others.map(change)];
}

function providerServing(provider: Provider, operation: OperationName, model: string, models: Models): Provider {
  const { operations } = provider;
  if (operations.has(operation)) return provider;
  if (operation === 'responses' && operations.has('chat')) return new ResponsesByChat(provider, models);
  const served = [...operations].map((one) => PATHS[one]).join(', ');
  const reason = `names ${model}, whose provider does not serve ${PATHS[operation]}; it serves ${served}`;
  throw new Fault('invalid_input', `model: ${reason}`, {
    code: 'operation_not_supported',
    fields: [{ field: 'model', reason }],
  });
}
