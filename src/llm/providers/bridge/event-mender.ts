import type { BodyFilter } from '../../../platform/outbound/index.js';
import { LineEnds } from '../openai/line-ends.js';
import { endOfFirstEvent, parseEvent } from '../openai/sse-usage-filter.js';
import { WholeEvents } from '../openai/whole-events.js';
import type { ReportForm } from './counts.js';
import { FrameMender } from './frame-mender.js';

const NAME = /^event:[^\n]*\n/m;

/** What mends the reports of a stream, whose events stand in lines or in AWS' frames. */
export function menderOf(form: ReportForm, isFramed: boolean): BodyFilter {
  return isFramed ? new FrameMender(form) : new EventMender(form);
}

/** Mends the reports in a stream's events. All other events stay as they are. */
export class EventMender implements BodyFilter {
  private readonly lineEnds = new LineEnds();
  private readonly whole = new WholeEvents();

  constructor(private readonly form: ReportForm) {}

  take(chunk: Buffer): Buffer | null {
    return this.mended(this.whole.push(this.lineEnds.push(chunk)));
  }

  end(): Buffer | null {
    const last = this.mended(this.whole.push(this.lineEnds.end())) ?? Buffer.alloc(0);
    const rest = Buffer.concat([last, this.whole.end()]);
    return rest.length === 0 ? null : rest;
  }

  /** @param event with the blank line that ends it */
  mendedEvent(event: string): string {
    const chunk = this.needsMending(event) ? parseEvent(Buffer.from(event)) : null;
    if (chunk === null) return event;
    return `${NAME.exec(event)?.[0] ?? ''}data: ${JSON.stringify(this.form.mend(chunk))}\n\n`;
  }

  private needsMending(events: string): boolean {
    return this.form.marks?.test(events) === true;
  }

  private mended(events: Buffer): Buffer | null {
    if (events.length === 0) return null;
    if (!this.needsMending(events.toString('latin1'))) return events;
    const mended: string[] = [];
    let start = 0;
    for (let end = endOfFirstEvent(events, 0); end !== -1; end = endOfFirstEvent(events, start)) {
      mended.push(this.mendedEvent(events.toString('utf8', start, end)));
      start = end;
    }
    return Buffer.from(mended.join(''));
  }
}
