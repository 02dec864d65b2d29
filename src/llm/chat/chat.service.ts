import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { assertJson, Drain, readCallersBody } from '../../platform/http/index.js';
import { UsageLedger } from '../../usage/index.js';
import { KnownModels } from '../models/model-facts.js';
import { ProviderRouter } from '../providers/provider-router.js';
import { Tokenizer } from '../tokens/tokenizer.js';
import { shuttingDown } from './chat-answer.js';
import { ChatCall } from './chat-call.js';
import { parseChatRequest } from './chat-request.js';
import type { ChatPrincipal } from './chat-reservation.js';
import { LateCalls } from './late-calls.js';

/** Half of the connections that a provider has. */
const MAX_LATE_CALLS = 256;

/** Chat completions: takes a request, has the tenant's provider answer it, and knows the calls that are open. */
@Injectable()
export class ChatService {
  private readonly open = new Set<ChatCall>();
  private readonly lateCalls = new LateCalls(MAX_LATE_CALLS);
  private stopped = false;

  constructor(
    private readonly router: ProviderRouter,
    private readonly ledger: UsageLedger,
    private readonly models: KnownModels,
    private readonly tokenizer: Tokenizer,
    private readonly drain: Drain,
  ) {
    drain.onDeadline(() => this.stop());
  }

  /**
   * Reads the body, and writes the whole answer.
   *
   * @throws Fault where nothing of an answer was sent
   */
  async complete(principal: ChatPrincipal, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const body = await readCallersBody(request);
    assertJson(request.raw);
    const chat = parseChatRequest(body);
    const provider = this.router.providerOf(principal.tenantId, chat.model);
    if (!provider.catalogue.has(chat.model)) await provider.catalogue.assertServed(chat.model);
    // Only right after the start: without its vocabulary a call that is cut off would be charged by its letters.
    await this.tokenizer.load();
    if (this.stopped) throw shuttingDown();
    const call = new ChatCall(
      { principal, requestId: request.context?.requestId ?? '', address: request.ip, reply },
      chat,
      this.models,
      this.tokenizer,
      provider,
      this.ledger,
      this.lateCalls,
    );
    this.open.add(call);
    // A call may outlive its request by a moment, and must be settled before the service goes.
    this.drain.requestOpened();
    const room = request.bodyRoom;
    room?.retain();
    try {
      await call.run();
    } finally {
      call.whenOver(() => {
        this.drain.requestClosed();
        room?.release();
        this.open.delete(call);
      });
    }
  }

  private stop(): void {
    this.stopped = true;
    for (const call of [...this.open]) call.shutDown();
  }
}
