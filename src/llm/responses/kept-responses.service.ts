import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { SealedTokenPrincipal } from '../../identity/index.js';
import { Database } from '../../platform/database/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import { storedOwner } from '../access/stored-owner.js';
import { Calls, type AnswerWays } from '../calls/calls.service.js';
import type { AnswerRoom } from '../calls/kept-answers.js';
import type { AnswerHeaders, AnswerSink, Provider, ProviderFailure, ResponseKeeper } from '../providers/provider.js';
import type { ResponsesRequest } from '../providers/requests/responses-request.js';
import { ModelRouter } from '../routing/model-router.js';
import type { TargetWish } from '../routing/route-serving.js';
import { KeepingProvider } from './keeping.provider.js';
import { KeptResponsesRepository } from './kept-responses.repository.js';

const MAX_ID_LENGTH = 256;
const NOT_FOUND = 404;

/** The answer to a question about a kept response; null: the caller left. */
type Told = { readonly headers: AnswerHeaders; readonly body: Buffer } | { readonly failure: ProviderFailure } | null;

/**
 * Responses that providers keep. All tenants that use one credential share one account there, so that each response belongs
 * here to the identity that made it; another one's is answered exactly as one that is missing, and nothing is sent.
 */
@Injectable()
export class KeptResponses {
  constructor(
    private readonly repository: KeptResponsesRepository,
    private readonly router: ModelRouter,
    private readonly calls: Calls,
    private readonly database: Database,
  ) {}

  /** How a call of this caller's goes on from kept responses, and is kept itself. */
  waysOf(principal: ChatPrincipal | SealedTokenPrincipal): AnswerWays<'responses'> {
    // A call whose token brings its own credential belongs to no tenant, and no caller could be recognised as its owner
    // later.
    if (principal.kind === 'sealedToken')
      return { ready: (request) => (request.previousId === null ? request : noPrevious()) };
    return {
      ready: (request) => this.withPrevious(principal, request),
      wishOf: (request) => this.wishOf(principal, request),
    };
  }

  /**
   * Asks the provider for a response, or to delete it, and writes its answer to the reply.
   *
   * @param query the caller's, without a question mark
   * @throws Fault not_found: there is no such response of the caller's; invalid_input; or what the provider's failure was
   */
  async ask(
    method: 'GET' | 'DELETE',
    principal: ChatPrincipal,
    id: string,
    query: string,
    reply: FastifyReply,
  ): Promise<void> {
    if (new URLSearchParams(query).get('stream') === 'true')
      throw invalidField('stream', 'must be false: stored responses are read as JSON');
    const { tenantId } = principal;
    const kept = (await this.find(principal, id)) ?? noResponse();
    const provider = (await this.router.findProvider(tenantId, kept.providerId)) ?? noResponse();
    const keeper = provider.keeper ?? noResponse();
    const owner = await this.database.ownerOf(tenantId);
    this.calls.places.take(owner);
    const told = await toldBy(keeper, method, id, query, reply, this.calls.answers.roomOf(owner)).finally(() =>
      this.calls.places.leave(owner),
    );
    if (told === null) return;
    const status = 'body' in told ? 200 : statusOf(told.failure);
    if (method === 'DELETE' && (status === 200 || status === NOT_FOUND)) await this.repository.forget(tenantId, id);
    write(reply, told);
  }

  private find(principal: ChatPrincipal, id: string): ReturnType<KeptResponsesRepository['find']> {
    if (id.length > MAX_ID_LENGTH) return Promise.resolve(null);
    return this.repository.find(principal.tenantId, storedOwner(principal), id);
  }

  /** @throws Fault not_found */
  private withPrevious(
    principal: ChatPrincipal,
    request: ResponsesRequest,
  ): ResponsesRequest | Promise<ResponsesRequest> {
    const { previousId } = request;
    if (previousId === null) return request;
    return this.find(principal, previousId).then((previous) => ({ ...request, previous: previous ?? noPrevious() }));
  }

  /** Only the provider that keeps a response can go on from it. */
  private wishOf(principal: ChatPrincipal, { previousId, previous, store }: ResponsesRequest): TargetWish {
    return {
      over: (provider) => {
        const { keeper } = provider;
        if (previousId !== null && (keeper === undefined || keeper.providerId !== previous?.providerId)) return null;
        return keeper === undefined || store === false ? provider : this.keeping(principal, provider, keeper);
      },
      refuse: () => {
        const reason = 'is a response of another provider than the model leads to; send a model of that provider';
        throw invalidField('previous_response_id', reason);
      },
    };
  }

  private keeping(principal: ChatPrincipal, provider: Provider, { providerId }: ResponseKeeper): Provider {
    const { tenantId } = principal;
    return new KeepingProvider(provider, async (id, model, tokens) => {
      try {
        await this.repository.keep(tenantId, storedOwner(principal), id, { providerId, model, tokens });
      } catch (error) {
        logger.error(
          { err: error, tenantId },
          'The owner of a response could not be stored: the response cannot be read later.',
        );
      }
    });
  }
}

function toldBy(
  keeper: ResponseKeeper,
  method: 'GET' | 'DELETE',
  id: string,
  query: string,
  reply: FastifyReply,
  room: AnswerRoom,
): Promise<Told> {
  return new Promise((resolve) => {
    const sink: AnswerSink = {
      onJson: (headers, body) => resolve({ headers, body }),
      onStreamData: () => undefined,
      onStreamEnd: () => undefined,
      onFailure: (failure) => resolve({ failure }),
      onLate: () => false,
      onKept: (bytes) => room.growBy(bytes),
    };
    const attempt = keeper.ask(method, id, query, sink);
    reply.raw.once('close', () => {
      attempt.abort();
      room.release();
      resolve(null);
    });
  });
}

function statusOf({ error }: ProviderFailure): number | null {
  return error instanceof Fault ? null : error.status;
}

/** @throws Fault */
function write(reply: FastifyReply, told: Exclude<Told, null>): void {
  if ('body' in told) {
    void reply.headers(told.headers).send(told.body);
    return;
  }
  const { error } = told.failure;
  if (error instanceof Fault) throw error;
  const { status, headers, body } = error;
  void reply.code(status).headers(headers).header('content-type', 'application/json; charset=utf-8').send(body);
}

function noResponse(): never {
  throw new Fault('not_found', 'No response of yours has this id. Responses are kept for thirty days.', {
    code: 'response_not_found',
  });
}

function noPrevious(): never {
  const reason = 'is not a stored response of yours; send the earlier items in `input` instead';
  throw new Fault('not_found', `previous_response_id: ${reason}`, {
    code: 'previous_response_not_found',
    fields: [{ field: 'previous_response_id', reason }],
  });
}
