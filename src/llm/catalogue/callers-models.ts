import { Injectable } from '@nestjs/common';
import { KeyModels } from '../../keys/index.js';
import { Fault } from '../../platform/errors/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import { modelNotFound, type Model } from '../models/model-catalogue.js';
import { ModelRouter } from '../routing/model-router.js';

/** The models that a caller may use: those that its tenant can name, as far as its key may. */
@Injectable()
export class CallersModels {
  constructor(
    private readonly router: ModelRouter,
    private readonly keyModels: KeyModels,
  ) {}

  /** @throws Fault invalid_input `no_provider_configured`; upstream_failed */
  async list(principal: ChatPrincipal): Promise<readonly Model[]> {
    const confined = await this.confinedTo(principal);
    if (confined.length === 0) return this.router.listModels(principal.tenantId);
    // One by one, since a provider's list need not have every name that it takes.
    const found = await Promise.all(confined.map((model) => this.find(principal.tenantId, model)));
    return found.filter((model) => model !== null);
  }

  /** @throws Fault not_found: also where the key may not use it; invalid_input as `list` */
  async get(principal: ChatPrincipal, model: string): Promise<Model> {
    const confined = await this.confinedTo(principal);
    if (confined.length > 0 && !confined.includes(model)) throw modelNotFound(model);
    return this.router.getModel(principal.tenantId, model);
  }

  private async find(tenantId: string, model: string): Promise<Model | null> {
    try {
      return await this.router.getModel(tenantId, model);
    } catch (error) {
      if (error instanceof Fault && error.kind === 'not_found') return null;
      throw error;
    }
  }

  private confinedTo(principal: ChatPrincipal): readonly string[] | Promise<readonly string[]> {
    return 'keyId' in principal ? this.keyModels.of(principal) : [];
  }
}
