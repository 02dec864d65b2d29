import { Fault } from '../../platform/errors/index.js';

/**
 * @param confined the models that the caller's key may use, by the names that calls ask for; empty: any
 * @throws Fault permission_denied
 */
export function assertMayUse(confined: readonly string[], model: string): void {
  if (confined.length === 0 || confined.includes(model)) return;
  throw new Fault(
    'permission_denied',
    `The key may not use the model \`${model}\`: name one that GET /v1/models lists, or have this one added to the key's models.`,
    {
      code: 'model_not_allowed',
      fields: [{ field: 'model', reason: 'must be one of the models that the key may use' }],
    },
  );
}
