import { Inject, Injectable } from '@nestjs/common';
import { auditSubject, threadOwner } from '../../identity/index.js';
import { HumanLimits } from '../../humans/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { pageOf } from '../../platform/database/index.js';
import { jsonBytes, TenantCipher } from '../../platform/encryption/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { PageTokens, newestFirst, type BodyRoom } from '../../platform/http/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import { promptOf, type PromptMessage } from './context-prompt.js';
import type {
  ContextView,
  CreateContextRequest,
  CreateMessageRequest,
  ListQuery,
  MessageView,
} from './contexts.dto.js';
import {
  ContextsRepository,
  type ContextRecord,
  type MessageRecord,
  type SealedMessage,
  type TenantContexts,
} from './contexts.repository.js';
import { viewContext, viewMessage } from './contexts.view.js';

const TABLE = 'llm_context_messages';
const TOKEN_FIELD = 'page_token';
const DEFAULT_PAGE_SIZE = 50;
const MAX_MESSAGES = 10_000;
/** Any other text is not an id. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const HUMAN_PREFIX = 'human:';

/** One page, as Gabber's clients know it. */
export interface Listed<T> {
  readonly values: T[];
  readonly totalCount: number;
  /** Empty: there is no next page. */
  readonly nextPageToken: string;
}

/**
 * Contexts: messages that an identity keeps here, to have them put before those of its completions. A context of another
 * tenant, or of another identity of the same one, is answered exactly as one that is missing.
 */
@Injectable()
export class ContextsService {
  constructor(
    private readonly repository: ContextsRepository,
    private readonly cipher: TenantCipher,
    private readonly humans: HumanLimits,
    private readonly idempotency: IdempotencyKeys,
    private readonly pageTokens: PageTokens,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'bodyLimitBytes'>,
  ) {}

  /** @throws Fault invalid_input; conflict: the Idempotency-Key was used for another request */
  async create(
    principal: ChatPrincipal,
    request: CreateContextRequest,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const messages = await this.seal(tenantId, request.messages ?? []);
    const { body, replayed } = await this.repository.change(tenantId, async (contexts) => {
      const owner = await this.makeOwner(contexts, principal);
      const idempotent = this.idempotent(principal, owner, idempotencyKey, 'llm/context', request);
      return this.idempotency.once(contexts.tx, idempotent, tenantId, async () => {
        const id = uuidV7();
        await this.repository.create(contexts, owner, id);
        const context = (await this.repository.append(contexts, owner, id, messages)) ?? noContext();
        this.assertNotFull(context);
        // The human's name is not kept for a repeat: an erasure leaves nothing behind there.
        const view = viewContext(context, tenantId, null);
        return { body: view, kept: view };
      });
    });
    return { body: { ...body, ...humanOf(principal) }, replayed };
  }

  /** @throws Fault not_found */
  async get(principal: ChatPrincipal, id: string): Promise<ContextView> {
    const context = await this.repository.read(principal.tenantId, (contexts) => this.find(contexts, principal, id));
    return viewContext(context, principal.tenantId, humanOf(principal).human ?? null);
  }

  /** Newest first. @throws Fault invalid_input: a page token that is not of this listing */
  list(
    principal: ChatPrincipal,
    { page_size: pageSize, page_token: pageToken }: ListQuery,
  ): Promise<Listed<ContextView>> {
    const { tenantId } = principal;
    return this.repository.read(tenantId, async (contexts) => {
      const owner = await this.findOwner(contexts, principal);
      const { records, nextPageToken } = await newestFirst<ContextRecord>(
        this.pageTokens,
        `llm/context/list:${tenantId}:${owner ?? ''}`,
        { pageSize, pageToken, tokenField: TOKEN_FIELD },
        (record) => record,
        (after, take) => (owner === null ? Promise.resolve([]) : this.repository.list(contexts, owner, after, take)),
      );
      const human = humanOf(principal).human ?? null;
      return {
        values: records.map((record) => viewContext(record, tenantId, human)),
        totalCount: owner === null ? 0 : await this.repository.count(contexts, owner),
        nextPageToken,
      };
    });
  }

  /** @throws Fault not_found; invalid_input: the context is full; conflict as `create` */
  async addMessage(
    principal: ChatPrincipal,
    contextId: string,
    message: CreateMessageRequest,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    const [sealed] = (await this.seal(tenantId, [message])) as [SealedMessage];
    return this.repository.change(tenantId, async (contexts) => {
      const owner = (await this.findOwner(contexts, principal)) ?? noContext();
      const sent = { contextId, message };
      const idempotent = this.idempotent(principal, owner, idempotencyKey, 'llm/context/message', sent);
      const { body, replayed } = await this.idempotency.once(contexts.tx, idempotent, tenantId, async () => {
        assertId(contextId, noContext);
        this.assertNotFull((await this.repository.append(contexts, owner, contextId, [sealed])) ?? noContext());
        return { body: { id: sealed.id }, kept: { id: sealed.id } };
      });
      // What it says is kept in its own row alone: a repeat reads it there.
      const { id, ...rest } = body as { readonly id: string };
      return {
        body: { ...(await this.view(tenantId, await this.findMessage(contexts, owner, contextId, id))), ...rest },
        replayed,
      };
    });
  }

  /** @throws Fault not_found */
  async getMessage(principal: ChatPrincipal, contextId: string, id: string): Promise<MessageView> {
    assertId(contextId, noContext);
    assertId(id, noMessage);
    const record = await this.repository.read(principal.tenantId, async (contexts) => {
      const owner = (await this.findOwner(contexts, principal)) ?? noContext();
      if ((await this.repository.find(contexts, owner, contextId)) === null) noContext();
      return this.findMessage(contexts, owner, contextId, id);
    });
    return this.view(principal.tenantId, record);
  }

  /** In the order of the conversation. @throws Fault not_found; invalid_input as `list` */
  async listMessages(
    principal: ChatPrincipal,
    contextId: string,
    { page_size: pageSize, page_token: pageToken }: ListQuery,
  ): Promise<Listed<MessageView>> {
    const { tenantId } = principal;
    const take = pageSize || DEFAULT_PAGE_SIZE;
    const scope = `llm/context/message/list:${tenantId}:${contextId}`;
    const { context, found } = await this.repository.read(tenantId, async (contexts) => {
      const context = await this.find(contexts, principal, contextId);
      const after = Number(this.pageTokens.read(scope, pageToken, TOKEN_FIELD)?.[0] ?? 0);
      return { context, found: await this.repository.listPage(contexts, contextId, after, take + 1) };
    });
    const { page, isLast } = pageOf(found, take);
    const last = page.at(-1);
    return {
      values: await Promise.all(page.map((record) => this.view(tenantId, record))),
      totalCount: context.messages,
      nextPageToken: !isLast && last !== undefined ? this.pageTokens.write(scope, [last.place]) : '',
    };
  }

  /**
   * All messages of a context, as a completion takes them.
   *
   * @param room grows by what they take, before they are read
   * @throws Fault not_found; rate_limited, unavailable: no room for them now
   */
  async promptOf(
    principal: ChatPrincipal,
    contextId: string,
    room: Pick<BodyRoom, 'growBy'> | null,
  ): Promise<PromptMessage[]> {
    const { tenantId } = principal;
    const records = await this.repository.read(tenantId, async (contexts) => {
      const { bytes } = await this.find(contexts, principal, contextId);
      room?.growBy(bytes);
      return this.repository.listMessages(contexts, contextId);
    });
    return promptOf(await Promise.all(records.map((record) => this.open(tenantId, record))));
  }

  private async find(contexts: TenantContexts, principal: ChatPrincipal, id: string): Promise<ContextRecord> {
    assertId(id, noContext);
    const owner = await this.findOwner(contexts, principal);
    return (owner === null ? null : await this.repository.find(contexts, owner, id)) ?? noContext();
  }

  private async findMessage(
    contexts: TenantContexts,
    owner: string,
    contextId: string,
    id: string,
  ): Promise<MessageRecord> {
    return (await this.repository.findMessage(contexts, owner, contextId, id)) ?? noMessage();
  }

  /** As the database names it; null: a human that is not known yet, who owns nothing. */
  private async findOwner(contexts: TenantContexts, principal: ChatPrincipal): Promise<string | null> {
    const { human, owner } = ownerOf(principal);
    if (human === null) return owner;
    const id = await this.repository.findHumanId(contexts, human);
    return id === null ? null : HUMAN_PREFIX + id;
  }

  /** A new human is created. */
  private async makeOwner({ tx }: TenantContexts, principal: ChatPrincipal): Promise<string> {
    const { human, owner } = ownerOf(principal);
    if (human === null) return owner;
    const keyId = principal.kind === 'dashboardUser' ? null : principal.keyId;
    return HUMAN_PREFIX + (await this.humans.ensure(tx, human, keyId));
  }

  private idempotent(principal: ChatPrincipal, owner: string, key: string | null, route: string, message: unknown) {
    return this.idempotency.request(
      `tenant:${principal.tenantId}:${auditSubject(principal)}:${owner}`,
      key,
      route,
      message,
    );
  }

  private seal(tenantId: string, messages: readonly CreateMessageRequest[]): Promise<SealedMessage[]> {
    return Promise.all(
      messages.map(async (message) => {
        const id = uuidV7();
        const text = await jsonBytes(tenantId, message);
        const content = await this.cipher.encrypt(tenantId, text, { table: TABLE, rowId: id });
        return { id, content, bytes: text.length };
      }),
    );
  }

  private async open(tenantId: string, { id, content }: MessageRecord): Promise<CreateMessageRequest> {
    return (await this.cipher.decryptJson(tenantId, content, { table: TABLE, rowId: id })) as CreateMessageRequest;
  }

  private async view(tenantId: string, record: MessageRecord): Promise<MessageView> {
    return viewMessage(record, await this.open(tenantId, record));
  }

  /** A completion could not take more. */
  private assertNotFull({ messages, bytes }: ContextRecord): void {
    if (messages > MAX_MESSAGES)
      throw invalidField('context', `holds at most ${MAX_MESSAGES} messages; make another one`);
    if (bytes > this.settings.bodyLimitBytes)
      throw invalidField('context', `holds at most ${this.settings.bodyLimitBytes} bytes; make another one`);
  }
}

/** Whose a principal's contexts are: a human's, by name, or an owner that the database names so. */
function ownerOf(principal: ChatPrincipal): { readonly human: string | null; readonly owner: string } {
  const owner = threadOwner(principal);
  if (owner === null) throw new TypeError('The routes accept only callers who own contexts.');
  if (owner.startsWith(HUMAN_PREFIX)) return { human: owner.slice(HUMAN_PREFIX.length), owner };
  return { human: null, owner: owner.startsWith('tenant:') ? 'tenant' : owner };
}

function humanOf(principal: ChatPrincipal): { readonly human?: string } {
  const { human } = ownerOf(principal);
  return human === null ? {} : { human };
}

function assertId(id: string, missing: () => never): void {
  if (!UUID.test(id)) missing();
}

/** The same words for one that is missing, another tenant's, and another human's. */
function noContext(): never {
  throw new Fault('not_found', 'No context of yours has this id. List them with GET /v1/llm/context/list.');
}

function noMessage(): never {
  throw new Fault(
    'not_found',
    'The context has no message with this id. List them with GET /v1/llm/context/{id}/message/list.',
  );
}
