import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Fault } from '../../platform/errors/index.js';
import { IdempotencyKeys, repeated, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import type { ChatPrincipal } from '../access/chat-access.js';
import { callerKey, storedOwner } from '../access/stored-owner.js';
import { ModelRouter } from '../routing/model-router.js';
import { RunEvents } from '../runs/run-events.js';
import { Runs } from '../runs/runs.service.js';
import { RunsRepository, type RunRow } from '../runs/runs.repository.js';
import { shownStatus, type ShownStatus } from '../runs/run.types.js';
import type { SendMessageRequest, SubmitToolOutputsRequest } from './threads.dto.js';

const RUN_ID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

export interface RunAnswer {
  readonly runId: string;
  readonly status: ShownStatus;
}

/** What callers do with the runs of their threads. A run in another owner's thread is not found. */
@Injectable()
export class ThreadRuns {
  constructor(
    private readonly runs: Runs,
    private readonly repository: RunsRepository,
    private readonly runEvents: RunEvents,
    private readonly router: ModelRouter,
    private readonly idempotency: IdempotencyKeys,
  ) {}

  /**
   * Takes a message in; its run goes on by itself.
   *
   * @throws Fault invalid_input: no provider is configured; conflict: a run is under way, or the Idempotency-Key was used for
   *   another request; rate_limited
   */
  async send(
    principal: ChatPrincipal,
    request: SendMessageRequest,
    requestId: string,
    idempotencyKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    await this.assertProvider(tenantId);
    const owner = storedOwner(principal);
    const { conversationKey, userMessage, tools, toolChoice } = request;
    const route = 'llm/gateway/send-message';
    const idempotent = this.idempotency.request(callerKey(principal), idempotencyKey, route, request);
    const id = uuidV7();
    const setup = { ...(tools === undefined ? {} : { tools }), ...(toolChoice === undefined ? {} : { toolChoice }) };
    const caller = { principal, requestId };
    const { content } = userMessage;
    const repeatedId = await this.runs.begin({ id, owner, conversationKey, caller, content, setup, idempotent });
    const status = shownStatus('RUNNING');
    return repeatedId === null
      ? { body: { runId: id, status }, replayed: false }
      : repeated({ runId: repeatedId, status });
  }

  /** @throws Fault not_found */
  async cancel(principal: ChatPrincipal, runId: string): Promise<RunAnswer> {
    const run = await this.findRun(principal, runId);
    return { runId, status: (await this.runs.cancel(principal.tenantId, run.id)) ?? noRun() };
  }

  /** @throws Fault not_found; conflict: the run waits for none; invalid_input: not each call has one output */
  async submitToolOutputs(
    principal: ChatPrincipal,
    { runId, toolOutputs }: SubmitToolOutputsRequest,
  ): Promise<RunAnswer> {
    const run = await this.findRun(principal, runId);
    await this.runs.continue(principal.tenantId, run, toolOutputs);
    return { runId, status: shownStatus('RUNNING') };
  }

  /** Writes the run's events to the reply. @throws Fault not_found; invalid_input: an id that no event had */
  async events(
    principal: ChatPrincipal,
    runId: string,
    lastEventId: string | null,
    reply: FastifyReply,
  ): Promise<void> {
    const run = await this.findRun(principal, runId);
    if (!(await this.runEvents.write(principal.tenantId, run.id, lastEventId, reply))) noRun();
  }

  private async findRun(principal: ChatPrincipal, runId: string): Promise<RunRow> {
    if (!RUN_ID.test(runId)) noRun();
    return (await this.repository.find(principal.tenantId, storedOwner(principal), runId)) ?? noRun();
  }

  /** Refused at once, since the run would fail by it. A provider whose list can't be read just now still counts. */
  private async assertProvider(tenantId: string): Promise<void> {
    try {
      await this.router.listModels(tenantId);
    } catch (error) {
      if (error instanceof Fault && error.kind === 'invalid_input') throw error;
    }
  }
}

function noRun(): never {
  throw new Fault(
    'not_found',
    'No run of yours has this id. /api/v1/llm/gateway/conversation-state shows the active one.',
  );
}
