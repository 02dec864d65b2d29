import type { BodyFilter } from '../../../platform/outbound/index.js';
import { LineEnds } from '../openai/line-ends.js';
import { endOfFirstEvent, parseEvent } from '../openai/sse-usage-filter.js';
import { WholeEvents } from '../openai/whole-events.js';
import type { ReportForm } from './counts.js';
import { FrameMender } from './frame-mender.js';

/** A count that is not a number. Within a string the quotes of its name would be escaped, and not match. */
const ODD_COUNT = /"\w+tokens?(?:Count)?"\s*:\s*[^\s\d-]/i;
const NAME = /^event:.*\n/m;

/** What mends the reports of a stream, whose events stand in lines or in AWS' frames. */
export function menderOf(form: ReportForm, isFramed: boolean): BodyFilter {
  return isFramed ? new FrameMender(form) : new EventMender(form);
}

/** Mends the reports in a stream's events. All other events stay as they are. */
class EventMender implements BodyFilter {
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

  private mended(events: Buffer): Buffer | null {
    if (events.length === 0) return null;
    if (!needsMending(this.form, events.toString('latin1'))) return events;
    const mended: string[] = [];
    let start = 0;
    for (let end = endOfFirstEvent(events, 0); end !== -1; end = endOfFirstEvent(events, start)) {
      mended.push(mendedEvent(this.form, events.toString('utf8', start, end)));
      start = end;
    }
    return Buffer.from(mended.join(''));
  }
}

/** @param event with the blank line that ends it */
export function mendedEvent(form: ReportForm, event: string): string {
  const chunk = needsMending(form, event) ? parseEvent(Buffer.from(event)) : null;
  if (chunk === null) return event;
  return `${NAME.exec(event)?.[0] ?? ''}data: ${JSON.stringify(form.mend(chunk))}\n\n`;
}

function needsMending({ marks }: ReportForm, events: string): boolean {
  return ODD_COUNT.test(events) || marks.some((mark) => events.includes(mark) && !events.includes('"usage"'));
}
