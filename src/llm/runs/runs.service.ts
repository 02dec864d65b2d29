import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { Drain, RequestBodies } from '../../platform/http/index.js';
import { logger } from '../../platform/logging/index.js';
import { ProcessLease } from '../../usage/index.js';
import type { Caller } from '../calls/caller.js';
import { Calls } from '../calls/calls.service.js';
import type { OperationRequests } from '../providers/provider.js';
import { LiveRun } from './live-run.js';
import { RunBatches, type Begun, type Ended } from './run-batches.js';
import { callerOf } from './run-caller.js';
import { inOrderOf, isFullHouse, refused, takeRoom, waitsForNone, type ToolOutput } from './run-faults.js';
import { RunRecords } from './run-records.js';
import { RUN_CHAT, RunRequests } from './run-request.js';
import { failureOf, RunSink } from './run-sink.js';
import type { LoadedRow, SealedEnd } from './run-statements.js';
import { RunStarts } from './run-starts.js';
import { messageIdOf, nextPlaceOf, RunTexts } from './run-texts.js';
import { unknownToolOf, withIds } from './run-tool-calls.js';
import { RunsRepository, type RunRow } from './runs.repository.js';
import { shownStatus, type RunFailure, type RunStart, type ShownStatus, type ToolCall } from './run.types.js';

/** A run that calls tools for ever would never end. */
const MOST_STEPS = 64;
/** A run that finds no place for its call waits for one; its sender has gone. */
const PLACE_WAIT_MS = 250;
const PLACE_TRIES = 120;
const BEGIN_TRIES = 5;
/** While the database is away, an end is tried again; after a lease's term the run is another process's to end. */
const END_TRIES = 60;
const END_WAIT_MS = 1000;

/**
 * The runs of this process: each is a row that it claimed under its lease, a governed call, and an end that is stored once.
 *
 * Guarantees: a thread has one live run at most, on any number of replicas; a message that was taken in has a run, and each
 * run ends, also where its process dies; a run outlives the request that began it; the service does not go while one is open,
 * up to the drain's deadline.
 */
@Injectable()
export class Runs {
  private readonly live = new Map<string, LiveRun>();
  /** Begun, but for the database's word. */
  private readonly beginning = new Set<string>();

  constructor(
    private readonly batches: RunBatches,
    private readonly bodies: RequestBodies,
    private readonly calls: Calls,
    private readonly database: Database,
    private readonly drain: Drain,
    private readonly lease: ProcessLease,
    private readonly records: RunRecords,
    private readonly repository: RunsRepository,
    private readonly requests: RunRequests,
    private readonly starts: RunStarts,
    private readonly texts: RunTexts,
  ) {
    batches.onAbandoned = (id) => this.start(id);
  }

  /** Every run of this process, those whose beginning is not certain too. */
  get knownIds(): readonly string[] {
    return [...this.live.keys(), ...this.beginning];
  }

  get liveRuns(): readonly LiveRun[] {
    return [...this.live.values()];
  }

  find(id: string): LiveRun | null {
    return this.live.get(id) ?? null;
  }

  /** The run is another process's now, or its thread is gone. */
  lose(id: string): void {
    this.live.get(id)?.lose();
  }

  /**
   * Takes a message in, and starts its run where the thread is idle.
   *
   * @returns null; or, where the same request began a run before, that one, and nothing was taken in
   * @throws Fault conflict: the thread is busy, or the Idempotency-Key was used for another request; permission_denied: the
   *   tenant is gone; rate_limited; unavailable
   */
  async begin(run: RunStart): Promise<string | null> {
    const { id, caller } = run;
    this.calls.places.assertRoom(await this.database.ownerOf(caller.principal.tenantId));
    const start = await this.starts.seal(run);
    this.beginning.add(id);
    let begun: Begun;
    try {
      // Again where its thread went while it was looked for, or its own repeat came at the same time.
      for (let attempt = 1; ; attempt += 1) {
        begun = await this.batches.begin(start);
        if (begun.verdict !== 'again' || attempt === BEGIN_TRIES) break;
      }
    } finally {
      this.beginning.delete(id);
    }
    const { verdict, repeatedId } = begun;
    if (verdict === 'repeat' && repeatedId !== null) return repeatedId;
    if (verdict === 'running') this.start(id);
    else if (verdict !== 'waiting') throw refused(verdict === 'repeat' ? 'again' : verdict);
    return null;
  }

  /** Starts a run that the database gave to this process; what it does not find there it leaves alone. */
  start(id: string): void {
    if (this.live.has(id)) return;
    const run = new LiveRun(id);
    this.live.set(id, run);
    // It outlives its request, and must have ended before the service goes.
    this.drain.requestOpened();
    void this.run(run)
      .catch((error: unknown) => logger.error({ err: error, runId: id }, 'A run could not be ended.'))
      .finally(() => {
        this.live.delete(id);
        this.drain.requestClosed();
      });
  }

  /**
   * Ends a run, or has its own process end it.
   * @returns its state; null: no such run
   */
  async cancel(tenantId: string, runId: string): Promise<ShownStatus | null> {
    const cancelled = await this.repository.cancel(tenantId, this.lease.id, runId);
    if (cancelled === null) return null;
    if (cancelled.status === 'RUNNING') this.live.get(runId)?.cancel();
    if (cancelled.nextId !== null) this.start(cancelled.nextId);
    return shownStatus(cancelled.status);
  }

  /**
   * Goes on with a run that waits for the outputs of tools.
   *
   * @throws Fault conflict: it waits for none; invalid_input: not each of its calls has one output
   */
  async continue(tenantId: string, run: RunRow, outputs: readonly ToolOutput[]): Promise<void> {
    if (run.status !== 'ACTION') throw waitsForNone();
    const last = await this.repository.findLastAnswer(tenantId, run.id);
    if (last === null) throw waitsForNone();
    const { toolCalls = [] } = await this.texts.openMessage(tenantId, last.id, last.body);
    const n = last.n + 1;
    const sealed = await Promise.all(
      inOrderOf(toolCalls, outputs).map(async ({ toolCallId, output }, index) => {
        const body = { content: output, toolCallId };
        return {
          body: await this.texts.sealMessage(tenantId, messageIdOf(run.id, n + index), body),
          tokens: this.requests.countTokens(body),
        };
      }),
    );
    if (!(await this.repository.continue(tenantId, this.lease.id, run.id, n, sealed))) throw waitsForNone();
    this.start(run.id);
  }

  private async run(run: LiveRun): Promise<void> {
    const loaded = await this.batches.load(run.id);
    if (loaded === null) return;
    run.step = loaded.step;
    const record = await this.records.claim(run.id, loaded.tenant_id, loaded.step);
    run.record = record;
    const sink = new RunSink(record, loaded.step);
    run.sink = sink;
    try {
      const { leftOut, failure } = await this.answer(run, loaded, sink);
      // Told at the deadline of a stop: another process can still begin it.
      if (failure?.code === SHUTTING_DOWN && record.stepAt(run.step).text === '' && loaded.step === 0) return;
      await this.end(run, loaded, sink, leftOut, failure);
    } finally {
      this.records.release(record);
    }
  }

  /**
   * Has the model answer.
   * @returns how many messages were left out of what it saw, and why it failed, if it did
   */
  private async answer(
    run: LiveRun,
    loaded: LoadedRow,
    sink: RunSink,
  ): Promise<{ readonly leftOut: number | null; readonly failure: RunFailure | null }> {
    let leftOut: number | null = null;
    try {
      if (loaded.step >= MOST_STEPS)
        throw new Fault(
          'invalid_input',
          `A run can call tools ${MOST_STEPS} times. Send a new message, or change the tools so that the model can finish.`,
          { code: 'too_many_steps' },
        );
      if (!loaded.may)
        throw new Fault(
          'permission_denied',
          'The credential that sent the message was revoked. Send it again with another one.',
          {
            code: 'credential_revoked',
          },
        );
      if (loaded.is_for_human && loaded.human === null)
        throw new Fault(
          'permission_denied',
          'The human whose limits the run would be charged to was erased. Send the message again for a human that exists.',
          {
            code: 'human_erased',
          },
        );
      const composed = await this.requests.compose(loaded);
      ({ leftOut } = composed);
      const principal = callerOf(loaded.tenant_id, loaded.caller, loaded.human);
      const caller = { principal, requestId: loaded.request_id, address: '' };
      for (let attempt = 1; !run.isCancelled; attempt += 1) {
        try {
          await this.ask(caller, composed.request, sink);
          sink.failure ??= unknownToolOf(sink.answer.toolCalls, composed.toolNames);
          break;
        } catch (error) {
          if (!isFullHouse(error) || attempt === PLACE_TRIES || this.calls.isStopping) throw error;
          await new Promise((resolve) => setTimeout(resolve, PLACE_WAIT_MS));
        }
      }
    } catch (error) {
      if (!(error instanceof Fault)) logger.error({ err: error, runId: run.id }, 'A run failed.');
      const fault = error instanceof Fault ? error : new Fault('internal', 'An internal error occurred.');
      return { leftOut, failure: failureOf(fault) };
    }
    return { leftOut, failure: sink.failure };
  }

  /** What a run asks for takes room as the body of a request does, until its call is over. @throws Fault as `Calls.run` */
  private async ask(caller: Caller, request: OperationRequests['chat'], sink: RunSink): Promise<void> {
    const room = this.bodies.roomOf(await this.database.ownerOf(caller.principal.tenantId));
    try {
      takeRoom(room, request.raw.length);
      const call = this.calls.run(RUN_CHAT, caller, request, sink, room);
      // Its provider may be read on for what it reports: a run that was cancelled does not wait for that.
      call.catch(() => undefined);
      const taken = call.then(() => new Promise<void>((resolve) => sink.whenTaken(resolve)));
      taken.catch(() => undefined);
      await Promise.race([taken, sink.left]);
    } finally {
      room.release();
    }
  }

  private async end(
    run: LiveRun,
    loaded: LoadedRow,
    sink: RunSink,
    leftOut: number | null,
    failed: RunFailure | null,
  ): Promise<void> {
    const { tenant_id: tenantId } = loaded;
    const { record } = sink;
    const failure = run.isCancelled ? null : failed;
    const isWhole = failure === null && !run.isCancelled;
    const toolCalls = isWhole ? withIds(sink.answer.toolCalls, run) : [];
    const { text } = record.stepAt(run.step);
    const body = {
      content: text,
      ...(toolCalls.length === 0 ? {} : { toolCalls }),
      ...(isWhole && sink.answer.extraContent !== undefined ? { extraContent: sink.answer.extraContent } : {}),
    };
    // Of an answer that broke off what was said is kept, as its readers have seen it.
    const isStored = isWhole || text !== '';
    const n = nextPlaceOf(loaded.message_ids);
    const status = statusOf(run, failure, toolCalls);
    run.wholeTicks = 0;
    const ended = await this.store(run, {
      id: run.id,
      status,
      n,
      body: isStored ? await this.texts.sealMessage(tenantId, messageIdOf(run.id, n), body) : null,
      tokens: isStored ? this.requests.countTokens(body) : 0,
      leftOut,
      errorCode: failure?.code.slice(0, MOST_CODE_LENGTH) ?? null,
      failure: failure === null ? null : await this.texts.sealFailure(tenantId, run.id, failure),
    });
    // Only now: who hears of the calls sends their outputs at once.
    if (ended?.ended === true && status === 'ACTION') record.endStep(run.step, toolCalls);
    record.setStatus(ended?.ended === true ? status : 'CANCELLED', failure);
    // At the deadline of a stop nothing new begins: the lease ends, and another process takes it.
    if (ended !== null && ended.nextId !== null && !this.calls.isStopping) this.start(ended.nextId);
  }

  /** Null: the database was away for so long that the run is another process's to end. */
  private async store(run: LiveRun, end: SealedEnd): Promise<Ended | null> {
    for (let attempt = 1; attempt <= END_TRIES && !run.isLost; attempt += 1) {
      try {
        return await this.batches.end(end);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        await new Promise((resolve) => setTimeout(resolve, END_WAIT_MS));
      }
    }
    return null;
  }
}

const MOST_CODE_LENGTH = 100;
const SHUTTING_DOWN = 'server_shutting_down';

function statusOf(run: LiveRun, failure: RunFailure | null, toolCalls: readonly ToolCall[]): SealedEnd['status'] {
  // An answer that grew too long was left, too, but by no caller.
  if (run.isCancelled) return 'CANCELLED';
  if (failure !== null) return 'FAILED';
  return toolCalls.length > 0 ? 'ACTION' : 'COMPLETED';
}
