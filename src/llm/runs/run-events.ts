import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { invalidField } from '../../platform/errors/index.js';
import { Drain } from '../../platform/http/index.js';
import type { RunRecord } from './run-record.js';
import { RunRecords } from './run-records.js';
import { shownStatus } from './run.types.js';

/** In one event; a longer text goes as several. */
const MOST_CHARACTERS = 16_384;
/** So that proxies see that the connection lives. */
const KEEP_ALIVE_MS = 15_000;
const EVENT_ID = /^(\d{1,5})\.(\d{1,9})$/;
const LAST_ID = 'end';

/** How far a reader has come: which answer of the run's, and how many of its characters. */
interface Place {
  step: number;
  at: number;
}

/**
 * Writes what a run says as server-sent events: `delta`, `tool_calls` and `end`. An event's id says how far its reader
 * has come, in words that every replica understands: a reader goes on wherever it connects again, and gets nothing
 * twice.
 */
@Injectable()
export class RunEvents {
  private readonly open = new Set<EventWriter>();

  constructor(
    private readonly records: RunRecords,
    drain: Drain,
  ) {
    drain.onDeadline(() => {
      for (const writer of [...this.open]) writer.leave();
    });
  }

  /**
   * @param lastEventId what the reader had before; null: nothing
   * @returns false: the run is not there any more
   * @throws Fault invalid_input: an id that no event had
   */
  async write(tenantId: string, runId: string, lastEventId: string | null, reply: FastifyReply): Promise<boolean> {
    const place = placeOf(lastEventId);
    const record = await this.records.open(tenantId, runId);
    if (record === null) return false;
    const writer = new EventWriter(record, place, reply, () => {
      this.open.delete(writer);
      this.records.forget(record);
    });
    this.open.add(writer);
    writer.start();
    return true;
  }
}

/** One reader of one run. It never has more on its way than the network has asked for. */
class EventWriter {
  private isBehind = false;
  private stopReading: () => void = () => undefined;
  private keepAlive: NodeJS.Timeout | null = null;

  constructor(
    private readonly record: RunRecord,
    /** Null: the reader has everything but the connection's end. */
    private readonly place: Place | null,
    private readonly reply: FastifyReply,
    private readonly onOver: () => void,
  ) {}

  start(): void {
    const { raw } = this.reply;
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.reply.getHeaders())) headers[name] = String(value);
    this.reply.hijack();
    raw.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    raw.flushHeaders();
    raw.once('close', () => this.stop());
    raw.on('drain', () => {
      this.isBehind = false;
      this.pump();
    });
    this.keepAlive = setInterval(() => {
      if (!this.isBehind) this.send(': keep-alive\n\n');
    }, KEEP_ALIVE_MS);
    this.stopReading = this.record.read(() => this.pump());
    this.pump();
  }

  /** Ends the connection without the run's end: the reader connects again, elsewhere. */
  leave(): void {
    this.reply.raw.end();
  }

  private pump(): void {
    while (!this.isBehind && !this.reply.raw.writableEnded && !this.reply.raw.destroyed) {
      if (!this.sendNext()) return;
    }
  }

  /** @returns whether there was something to send */
  private sendNext(): boolean {
    const { record, place } = this;
    const { id: runId } = record;
    const step = place === null ? undefined : record.steps[place.step];
    if (place !== null && step !== undefined && step.text.length > place.at) {
      const content = step.text.slice(place.at, endOfPiece(step.text, place.at));
      place.at += content.length;
      this.sendEvent('delta', `${place.step}.${place.at}`, { runId, content });
      return true;
    }
    if (place !== null && step !== undefined && step.toolCalls !== null) {
      const toolCalls = step.toolCalls.map(({ id, name, arguments: written }) => ({ id, name, arguments: written }));
      place.step += 1;
      place.at = 0;
      this.sendEvent('tool_calls', `${place.step}.0`, { runId, toolCalls });
      return true;
    }
    if (!record.isOver) return false;
    const { status, failure } = record;
    this.sendEvent('end', LAST_ID, {
      runId,
      status: shownStatus(status),
      ...(failure === null ? {} : { error: { code: failure.code, message: failure.message } }),
    });
    this.reply.raw.end();
    return false;
  }

  private sendEvent(type: string, id: string, data: object): void {
    this.send(`event: ${type}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  private send(text: string): void {
    if (!this.reply.raw.write(text)) this.isBehind = true;
  }

  private stop(): void {
    if (this.keepAlive !== null) clearInterval(this.keepAlive);
    this.stopReading();
    this.onOver();
  }
}

/** Never between the two halves of a character. */
function endOfPiece(text: string, from: number): number {
  const end = Math.min(from + MOST_CHARACTERS, text.length);
  const code = text.charCodeAt(end);
  return end < text.length && code >= 0xdc00 && code <= 0xdfff ? end - 1 : end;
}

/** @throws Fault invalid_input */
function placeOf(lastEventId: string | null): Place | null {
  if (lastEventId === null || lastEventId === '') return { step: 0, at: 0 };
  if (lastEventId === LAST_ID) return null;
  const [, step, at] = EVENT_ID.exec(lastEventId) ?? [];
  if (step === undefined || at === undefined)
    throw invalidField('last-event-id', 'must be the id of an event of this run, or be left out');
  return { step: Number(step), at: Number(at) };
}
