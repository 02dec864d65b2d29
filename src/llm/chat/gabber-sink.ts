import { createHash } from 'node:crypto';
import { decimalOf } from '../../limits/index.js';
import type { Settlement } from '../../usage/index.js';
import type { CallSink, CallSinkListener } from '../calls/call-sink.js';
import type { ProviderFailure } from '../providers/provider.js';

/** The end mark stands at the end of what comes last, in a line of its own. */
const END_MARK = /(?:^|\n)(?=data: ?\[DONE\]\s*$)/;
const LONGEST_MARK = 32;
const LONGEST_FIRST_EVENT = 65_536;

/** Whose call it is. */
export interface Charged {
  readonly tenantId: string;
  readonly human: string;
}

/**
 * Puts `gabber.usage` beside a human's completion: what the call used, with the ids of the webhook `usage.tracked`. The call
 * knows it already, so that no query is made. In JSON it is a field of the answer; in a stream a last chunk before the end
 * mark, with an empty choice, since clients read `choices[0]` of every chunk. All other bytes are the provider's.
 */
export class GabberSink implements CallSink {
  private listener: CallSinkListener | null = null;
  private firstEvents: Buffer | null = null;

  constructor(
    private readonly sink: CallSink,
    private readonly charged: Charged,
  ) {}

  get isGone(): boolean {
    return this.sink.isGone;
  }

  get isBehind(): boolean {
    return this.sink.isBehind;
  }

  listen(listener: CallSinkListener): void {
    this.listener = listener;
    this.sink.listen(listener);
  }

  json(...[headers, body, ...rest]: Parameters<CallSink['json']>): void {
    const end = body.lastIndexOf('}');
    const told = end === -1 ? body : spliced(body, end, `,"gabber":${JSON.stringify(this.gabber())}`);
    this.sink.json(headers, told, ...rest);
  }

  refuse(...told: Parameters<CallSink['refuse']>): void {
    this.sink.refuse(...told);
  }

  begin(...told: Parameters<CallSink['begin']>): void {
    this.sink.begin(...told);
  }

  whenTaken(callback: () => void): void {
    if (this.sink.whenTaken === undefined) callback();
    else this.sink.whenTaken(callback);
  }

  attribute(...told: Parameters<CallSink['attribute']>): void {
    this.sink.attribute(...told);
  }

  write(events: Buffer): boolean {
    this.firstEvents ??= events;
    const tailAt = Math.max(0, events.length - LONGEST_MARK);
    const mark = END_MARK.exec(events.toString('latin1', tailAt));
    if (mark === null) return this.sink.write(events);
    return this.sink.write(spliced(events, tailAt + mark.index + mark[0].length, `data: ${this.chunk()}\n\n`));
  }

  end(failure: ProviderFailure | null): void {
    this.sink.end(failure);
  }

  private chunk(): string {
    const choices = [{ index: 0, delta: {}, finish_reason: null }];
    return JSON.stringify({ ...namesIn(this.firstEvents), choices, gabber: this.gabber() });
  }

  /** `message_data` describes audio, which we do not have. */
  private gabber(): object {
    const settlement = this.listener?.settlement() ?? null;
    return { usage: settlement === null ? [] : usageOf(settlement, this.charged), message_data: [] };
  }
}

/** As `tell_usage()` tells webhooks of the same call. */
function usageOf(
  { id, inputTokens, outputTokens, costPicoUsd, counted }: Settlement,
  { tenantId, human }: Charged,
): object[] {
  const values = {
    token_cnt: inputTokens + outputTokens,
    request_cnt: counted ? 1 : 0,
    cost_micros: Number(decimalOf(String(costPicoUsd ?? 0n))),
  };
  return Object.entries(values)
    .filter(([, value]) => value !== 0)
    .map(([type, value]) => ({ id: eventId(id, type), type, value, human, project: tenantId }));
}

function eventId(recordId: string, type: string): string {
  const hex = createHash('md5').update(`usage.tracked:${recordId}:${type}`).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** What all chunks of a stream have in common, from its first one. */
function namesIn(events: Buffer | null): object {
  const text = events?.toString('utf8', 0, LONGEST_FIRST_EVENT) ?? '';
  const [, json = ''] = /(?:^|\n)data: ?(\{.*)/.exec(text) ?? [];
  try {
    const { id, created, model } = JSON.parse(json) as Record<string, unknown>;
    return { id, object: 'chat.completion.chunk', created, model };
  } catch {
    return { object: 'chat.completion.chunk' };
  }
}

function spliced(bytes: Buffer, at: number, inserted: string): Buffer {
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(inserted), bytes.subarray(at)]);
}
