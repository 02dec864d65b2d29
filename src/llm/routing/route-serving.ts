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

/** What the caller's own request asks of a target beside its operation. */
export interface TargetWish {
  /** The provider that is asked in its place; null: it can't be asked for this. */
  over(provider: Provider): Provider | null;
  /** @throws Fault: no target can be asked for this */
  refuse(): never;
}

type Models = Pick<KnownModels, 'find'>;

/**
 * The same route, by those of its targets that can be asked for this operation: the others are passed over. Responses are
 * served by each provider that has chat completions.
 *
 * @throws Fault invalid_input: no target can be asked for it
 */
export function routeServing(route: Route, operation: OperationName, model: string, models: Models): Route {
  if (route.targets.every(({ provider }) => provider.operations.has(operation))) return route;
  return narrowed(
    route,
    (provider) => providerServing(provider, operation, models),
    () => refuse(route, operation, model),
  );
}

/** The same route by the targets that meet a wish. @throws Fault */
export function routeMeeting(route: Route, wish: TargetWish): Route {
  return narrowed(
    route,
    (provider) => wish.over(provider),
    () => wish.refuse(),
  );
}

function narrowed(route: Route, over: TargetWish['over'], none: () => never): Route {
  const { plan } = route;
  const targets = nonEmpty(kept(route.targets, over)) ?? none();
  const planned = plan === null ? null : nonEmpty(kept(plan.targets, over));
  return { ...route, targets, plan: plan === null || planned === null ? null : { ...plan, targets: planned } };
}

function kept<One extends Target>(targets: readonly One[], over: TargetWish['over']): One[] {
  return targets.flatMap((target) => {
    const provider = over(target.provider);
    return provider === null ? [] : [{ ...target, provider }];
  });
}

/** Null: it can't be asked for this. */
function providerServing(provider: Provider, operation: OperationName, models: Models): Provider | null {
  const { operations } = provider;
  if (operations.has(operation)) return provider;
  return operation === 'responses' && operations.has('chat') ? new ResponsesByChat(provider, models) : null;
}

function refuse({ name, targets }: Route, operation: OperationName, model: string): never {
  const path = PATHS[operation];
  const [first] = targets;
  const reason =
    name === null
      ? `names ${model}, whose provider does not serve ${path}; it serves ${pathsOf(first)}`
      : `names the route ${model}, none of whose targets serves ${path}: ` +
        targets
          .map((target) => `${target.provider.name} with ${target.model ?? model} serves ${pathsOf(target)}`)
          .join('; ');
  throw new Fault('invalid_input', `model: ${reason}`, {
    code: 'operation_not_supported',
    fields: [{ field: 'model', reason }],
  });
}

function pathsOf({ provider }: Target): string {
  return [...provider.operations].map((one) => PATHS[one]).join(', ');
}

function nonEmpty<One>([first, ...others]: readonly One[]): [One, ...One[]] | null {
  return first === undefined ? null : [first, ...others];
}
