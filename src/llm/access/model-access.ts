import { Fault } from '../../platform/errors/index.js';

/**
 * @param confined the models that the caller's key may use, by the names that calls ask for; empty: any
 * @throws Fault permission_denied
 */
export function assertMayUse(confined: readonly string[], model: string): void {
  if (confined.length === 0 || confined.includes(model)) return;
  throw new Fault(
    'permission_denied',
    `The key may not use the model \`${model}\`. Use one from GET /v1/models, or add this one with /api/v1/api-keys/update.`,
    {
      code: 'model_not_allowed',
      fields: [{ field: 'model', reason: 'must be one of the models that the key may use' }],
    },
  );
}
