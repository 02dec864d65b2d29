import { inTurns, READING_TURNS } from '../../../platform/http/index.js';
import { isBounded, parseBounded, USUAL_BOUNDS, type JsonBounds } from '../../../platform/json/index.js';
import type { BodyFilter, Fetch, OutboundCall, OutboundPolicy } from '../../../platform/outbound/index.js';
import {
  brokenAnswer,
  failureOfTransport,
  MAX_ERROR_BYTES,
  NO_ROOM,
  tooMuchToRead,
  type Asked,
} from '../openai/openai-failure.js';
import { objectSteps, PARSED_BYTES } from '../openai/answer-bytes.js';
import { writtenSteps } from '../openai/large-answer.js';
import { EventMarks, FrameMarks, type AnswerMarks } from './answer-marks.js';
import type { Dialect } from './dialect.js';
import { failureOfAnswer, FailedExchange } from './failures.js';
import type { ReportForm } from './counts.js';
import { assertOutputWithin } from './output-check.js';
import { KEPT_STEP_BYTES, type ProviderFailure } from '../provider.js';
import type { ProviderDeps } from '../provider-factory.js';

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** How much JSON an answer may be that is not streamed: a package reads all of it at once, while every other call waits. */
export interface AnswerBounds extends JsonBounds {
  readonly maxBytes: number;
}
/** No model says so much in one answer. */
const USUAL_ANSWER: AnswerBounds = { ...USUAL_BOUNDS, maxBytes: PARSED_BYTES };

/**
 * The HTTP exchange beneath a package: judges what goes out, reads errors itself, and keeps the rest of a broken
 * answer.
 */
export class Exchange {
  status: number | null = null;
  wasSent = false;
  /** What broke the answer off. */
  broken: ProviderFailure | null = null;
  /** What arrived of an answer that is not streamed. */
  part = '';
  readonly fetch: Fetch;
  /** The answer with a report that the package takes; null: it was not mended. */
  private mended: Buffer | null = null;
  private call: Pick<OutboundCall, 'pause' | 'resume'> | null = null;

  constructor(
    private readonly asked: Asked,
    private readonly dialect: Dialect,
    deps: ProviderDeps,
    policy: OutboundPolicy,
    limit: number | null,
    private readonly hears: { onLate(): boolean; onKept(bytes: number): boolean },
    filter: BodyFilter | null,
    private readonly bounds = USUAL_ANSWER,
  ) {
    const fetch = deps.http.fetchFor({
      policy,
      origins: [dialect.baseUrl.origin],
      timeouts: deps.timeouts,
      maxBytes: MAX_ANSWER_BYTES,
      traced: true,
      onRequest: (_url, body) => {
        // A package that asks again by itself would spend what nothing was reserved for.
        if (this.wasSent) throw new FailedExchange(brokenAnswer('The model provider asked to be called again.'));
        if (limit !== null) assertOutputWithin(body, limit, dialect);
        this.wasSent = true;
      },
      ...(asked.request.stream
        ? { takes: this.takes(dialect.isFramed === true ? new FrameMarks() : new EventMarks()) }
        : {}),
      onLate: () => hears.onLate(),
      onBroken: (error) => {
        this.broken = failureOfTransport(error);
      },
      ...(filter === null ? {} : { filter }),
      onCall: (call) => {
        this.call = call;
      },
    });
    this.fetch = async (input, init) => {
      if (this.mended !== null) return new Response(this.mended);
      await this.turn(asked.request.raw.length);
      return this.judge(await fetch(input, init));
    };
  }

  pause(): void {
    this.call?.pause();
  }

  resume(): void {
    this.call?.resume();
  }

  /** For work on so many bytes: at once where they are few, else when it is this provider's turn. */
  async turn(bytes = this.part.length): Promise<void> {
    if (bytes > SMALL_BYTES) await READING_TURNS.next(this.dialect);
  }

  /** Has the package read the answer once more where its report alone may have been what it refused. */
  async read<Result>(
    ask: () => PromiseLike<Result>,
    report: ReportForm | null = this.dialect.report ?? null,
  ): Promise<Result> {
    try {
      return await ask();
    } catch (error) {
      if (this.broken !== null || error instanceof FailedExchange || !(await this.mend(report))) throw error;
      return ask();
    }
  }

  /** @returns whether the package can read the answer again: its report was odd, perhaps */
  private async mend(report: ReportForm | null): Promise<boolean> {
    if (report === null || this.part === '' || this.mended !== null) return false;
    const turn = (): Promise<void> => READING_TURNS.next(this.dialect);
    const answer = await inTurns(objectSteps(Buffer.from(this.part), this.bounds), turn);
    if (answer === null || answer === 'too much') return false;
    this.mended = await inTurns(writtenSteps(report.mend(answer), this.part.length), turn);
    return true;
  }

  private takes(marks: AnswerMarks): (chunk: Buffer) => boolean {
    return (chunk) => {
      const isTaken = marks.take(chunk);
      if (!isTaken) this.broken ??= { outcome: 'UPSTREAM_BROKEN', error: tooMuchToRead() };
      return isTaken;
    };
  }

  private async judge(response: Response): Promise<Response> {
    const { status, headers } = response;
    this.status = status;
    if (!response.ok) throw new FailedExchange(await this.failureOf(response));
    if (this.asked.request.stream || response.body === null) return response;
    let kept = 0;
    for await (const text of textOf(response.body)) {
      this.part += text;
      if (this.part.length > this.bounds.maxBytes)
        throw new FailedExchange({ outcome: 'UPSTREAM_BROKEN', error: tooMuchToRead() });
      const more = this.part.length - kept;
      if (more < KEPT_STEP_BYTES) continue;
      kept = this.part.length;
      if (!this.hears.onKept(more)) throw new FailedExchange(brokenAnswer(NO_ROOM));
    }
    if (this.broken !== null) throw new FailedExchange(this.broken);
    await this.turn();
    if (!isBounded(Buffer.from(this.part), this.bounds))
      throw new FailedExchange({ outcome: 'UPSTREAM_BROKEN', error: tooMuchToRead() });
    await this.turn();
    return new Response(this.part, { status, headers });
  }

  private async failureOf(response: Response): Promise<FailedExchange['failure']> {
    const { status, headers } = response;
    let text = '';
    if (response.body !== null) {
      for await (const piece of textOf(response.body)) {
        text += piece;
        // The body is not an error object: only the status is told.
        if (text.length > MAX_ERROR_BYTES) break;
      }
    }
    return failureOfAnswer(this.dialect.readError(status, headers, jsonIn(text)), this.asked);
  }
}

/** Work on more is done in steps, and whatever else is due comes between two of them. */
const SMALL_BYTES = 64 * 1024;

async function* textOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of body) yield decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}

function jsonIn(text: string): unknown {
  try {
    return parseBounded(text);
  } catch {
    return undefined;
  }
}
