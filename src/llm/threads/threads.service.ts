import { Injectable } from '@nestjs/common';
import { uuidV7 } from '../../platform/crypto/index.js';
import { pageOf } from '../../platform/database/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { newestFirst, PageTokens, type Page } from '../../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import { formatTimestamp } from '../../platform/protojson/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import { callerKey, storedOwner } from '../access/stored-owner.js';
import { ModelRouter } from '../routing/model-router.js';
import { RunTexts } from '../runs/run-texts.js';
import { Runs } from '../runs/runs.service.js';
import { RunsRepository } from '../runs/runs.repository.js';
import type { ThreadSetup } from '../runs/run.types.js';
import type { ConversationStateRequest, CreateThreadRequest, ListThreadsRequest } from './threads.dto.js';
import { ThreadsRepository, type ThreadChanges, type ThreadRow } from './threads.repository.js';
import { viewConversation, viewThread } from './threads.view.js';

/** What a conversation's state shows, unless its reader says how much. */
const MESSAGES_SHOWN = 1000;

/**
 * Conversations that are kept: each belongs to one human, dashboard user or tenant, and is not found by any other
 * caller.
 */
@Injectable()
export class ThreadsService {
  constructor(
    private readonly repository: ThreadsRepository,
    private readonly runs: Runs,
    private readonly runsRepository: RunsRepository,
    private readonly texts: RunTexts,
    private readonly router: ModelRouter,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault already_exists: there is a thread of that key; invalid_input: an unknown model; conflict: the Idempotency-Key */
  async create(
    principal: ChatPrincipal,
    request: CreateThreadRequest,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const { conversationKey, name = '' } = request;
    await this.assertModel(tenantId, request);
    const keyId = principal.kind === 'dashboardUser' ? null : principal.keyId;
    const idempotent = this.idempotency.request(
      callerKey(principal),
      idempotencyKey,
      'llm/gateway/create-thread',
      request,
    );
    const { body, replayed } = await this.repository.change(tenantId, storedOwner(principal), (threads) =>
      this.idempotency.once(threads.tx, idempotent, tenantId, async () => {
        const id = uuidV7();
        const changes = await this.changesOf(tenantId, id, EMPTY, {}, request);
        const thread = await this.repository.create(threads, id, conversationKey, keyId, changes);
        if (thread === null)
          throw new Fault(
            'already_exists',
            'You already have a thread with this conversation key. Choose another key, or change the thread with /api/v1/llm/gateway/update-thread.',
          );
        // What a conversation is called is not kept for a repeat, which says it itself.
        const made = { createdAt: formatTimestamp(thread.createdAt) };
        return { body: made, kept: made };
      }),
    );
    return { body: { conversationKey, name, ...body }, replayed };
  }

  /** @throws Fault invalid_input: a page token of another listing */
  list(principal: ChatPrincipal, { search, ...page }: ListThreadsRequest): Promise<Page<ThreadRow>> {
    const { tenantId } = principal;
    const owner = storedOwner(principal);
    const scope = `llm/gateway/list-threads:${JSON.stringify([tenantId, owner, search])}`;
    return newestFirst(
      this.pageTokens,
      scope,
      page,
      (record) => record,
      (after, take) =>
        this.repository.read(tenantId, owner, (threads) => this.repository.list(threads, search, after, take)),
    );
  }

  /** @throws Fault not_found; invalid_input: a page token of another listing */
  async state(
    principal: ChatPrincipal,
    { conversationKey, pageSize, pageToken }: ConversationStateRequest,
  ): Promise<object> {
    const { tenantId } = principal;
    const owner = storedOwner(principal);
    const scope = `llm/gateway/conversation-state:${JSON.stringify([tenantId, owner, conversationKey])}`;
    const after = this.pageTokens.read(scope, pageToken);
    const before = after === null ? null : { runNo: Number(after[0]), n: Number(after[1]) };
    const take = pageSize || MESSAGES_SHOWN;
    const { thread, active, rows } = await this.repository.read(tenantId, owner, async (threads) => {
      const found = (await this.repository.find(threads, conversationKey)) ?? noThread();
      const { tx } = threads;
      // The run first: where none is active, all that was said stands among the messages.
      return {
        thread: found,
        active: await this.runsRepository.findActive(tx, tenantId, found.id),
        rows: await this.runsRepository.listMessages(tx, tenantId, found.id, before, take + 1),
      };
    });
    const { page, isLast } = pageOf(rows, take);
    const shown = page.reverse();
    const messages = await Promise.all(
      shown.map(async (row) => ({ row, body: await this.texts.openMessage(tenantId, row.id, row.body) })),
    );
    const [oldest] = shown;
    const nextPageToken = isLast || oldest === undefined ? '' : this.pageTokens.write(scope, [oldest.runNo, oldest.n]);
    return viewConversation(thread, await this.setupOf(tenantId, thread), active, messages, nextPageToken);
  }

  /**
   * Changes what is named.
   *
   * @throws Fault not_found; invalid_input: an unknown model
   */
  async update(principal: ChatPrincipal, request: CreateThreadRequest): Promise<object> {
    const { tenantId } = principal;
    await this.assertModel(tenantId, request);
    return this.repository.change(tenantId, storedOwner(principal), async (threads) => {
      const thread = (await this.repository.find(threads, request.conversationKey)) ?? noThread();
      const setup = await this.setupOf(tenantId, thread);
      const changes = await this.changesOf(tenantId, thread.id, thread, setup, request);
      const updated = (await this.repository.update(threads, thread.id, changes)) ?? noThread();
      return viewThread(updated, await this.setupOf(tenantId, updated));
    });
  }

  /**
   * Deletes a thread with all that was said in it. A run that is under way ends, and nothing of it is stored.
   *
   * @throws Fault not_found
   */
  async delete(principal: ChatPrincipal, conversationKey: string): Promise<void> {
    const { tenantId } = principal;
    const active = await this.repository.change(tenantId, storedOwner(principal), async (threads) => {
      const thread = (await this.repository.find(threads, conversationKey)) ?? noThread();
      const run = await this.runsRepository.findActive(threads.tx, tenantId, thread.id);
      await this.repository.delete(threads, thread.id);
      return run;
    });
    if (active !== null) this.runs.lose(active.id);
  }

  private setupOf(tenantId: string, { id, setup }: ThreadRow): Promise<ThreadSetup> {
    return this.texts.openThreadSetup(tenantId, id, setup);
  }

  private async changesOf(
    tenantId: string,
    id: string,
    before: ThreadChanges,
    setupBefore: ThreadSetup,
    { name, generationConfig, settings, tools }: CreateThreadRequest,
  ): Promise<ThreadChanges> {
    const isSetupNamed = settings !== undefined || tools !== undefined;
    const setup: ThreadSetup = {
      ...setupBefore,
      ...(settings === undefined ? {} : { systemPrompt: settings.systemPrompt }),
      ...(tools === undefined ? {} : { tools }),
    };
    return {
      name: name ?? before.name,
      model: generationConfig === undefined ? before.model : generationConfig.model || null,
      temperature: generationConfig === undefined ? before.temperature : (generationConfig.temperature ?? null),
      maxTokens: generationConfig === undefined ? before.maxTokens : generationConfig.maxTokens || null,
      interruptPolicy: settings?.interruptPolicy ?? before.interruptPolicy,
      setup: isSetupNamed ? await this.texts.sealThreadSetup(tenantId, id, setup) : before.setup,
    };
  }

  private async assertModel(tenantId: string, { generationConfig }: CreateThreadRequest): Promise<void> {
    if (generationConfig === undefined || generationConfig.model === '') return;
    try {
      await this.router.routeOf(tenantId, generationConfig.model);
    } catch (error) {
      if (error instanceof Fault && error.kind === 'not_found')
        throw invalidField(
          'generationConfig.model',
          'is not a model of this tenant; list them with /api/v1/llm/models/list',
          'model_not_found',
        );
      throw error;
    }
  }
}

const EMPTY: ThreadChanges = {
  name: '',
  model: null,
  temperature: null,
  maxTokens: null,
  interruptPolicy: 'REJECT',
  setup: null,
};

/** The same words for an unknown thread, another tenant's and another human's. */
function noThread(): never {
  throw new Fault(
    'not_found',
    'No thread of yours has this conversation key. List them with /api/v1/llm/gateway/list-threads.',
  );
}
