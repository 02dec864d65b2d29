import { Injectable } from '@nestjs/common';
import { chargedHuman } from '../../identity/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { storedCaller } from './run-caller.js';
import { RunRequests } from './run-request.js';
import type { SealedStart } from './run-statements.js';
import { messageIdOf, RunTexts } from './run-texts.js';
import type { RunStart } from './run.types.js';

/** Makes a message that begins a run ready to be stored. */
@Injectable()
export class RunStarts {
  constructor(
    private readonly requests: RunRequests,
    private readonly texts: RunTexts,
  ) {}

  /** @throws Fault permission_denied: the tenant was deleted; unavailable */
  async seal({ id, owner, conversationKey, caller, content, setup, idempotent }: RunStart): Promise<SealedStart> {
    const { principal, requestId } = caller;
    const { tenantId } = principal;
    const body = { content };
    return {
      id,
      threadId: uuidV7(),
      tenantId,
      owner: owner.owner,
      human: chargedHuman(principal),
      keyId: principal.kind === 'dashboardUser' ? null : principal.keyId,
      conversationKey,
      caller: storedCaller(principal),
      requestId,
      setup: Object.keys(setup).length === 0 ? null : await this.texts.sealRunSetup(tenantId, id, setup),
      body: await this.texts.sealMessage(tenantId, messageIdOf(id, 0), body),
      tokens: this.requests.countTokens(body),
      idempotent,
    };
  }
}
