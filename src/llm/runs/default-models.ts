import { Injectable } from '@nestjs/common';
import { Fault } from '../../platform/errors/index.js';
import { ModelRouter } from '../routing/model-router.js';

/** The model of threads that name none: the first that the tenant can name. */
@Injectable()
export class DefaultModels {
  constructor(private readonly router: ModelRouter) {}

  /** @throws Fault invalid_input: `no_provider_configured`, or no model is listed */
  async modelOf(tenantId: string): Promise<string> {
    const [first] = await this.router.listModels(tenantId);
    if (first !== undefined) return first.id;
    throw new Fault(
      'invalid_input',
      "No model is set, and the tenant's providers list none: set generationConfig.model of the thread.",
      { code: 'model_not_set', fields: [{ field: 'generationConfig.model', reason: 'is not set' }] },
    );
  }
}
