import { Fault } from '../../platform/errors/index.js';
import type { OperationName, Provider } from '../providers/provider.js';

const ROUTES: Readonly<Record<OperationName, string>> = {
  chat: '/v1/chat/completions',
  embeddings: '/v1/embeddings',
};

/** @throws Fault invalid_input: the provider of this model has no such operation */
export function assertServes(provider: Provider, operation: OperationName, model: string): void {
  if (provider.operations.has(operation)) return;
  const reason = `names ${model}, whose provider does not serve ${ROUTES[operation]}; it serves ${routesOf(provider)}`;
  throw new Fault('invalid_input', `model: ${reason}`, {
    code: 'operation_not_supported',
    fields: [{ field: 'model', reason }],
  });
}

function routesOf({ operations }: Provider): string {
  return [...operations].map((operation) => ROUTES[operation]).join(', ');
}
