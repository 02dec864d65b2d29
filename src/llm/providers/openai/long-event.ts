import { parseJson, refuseRepeatedFields, skipSpace, ValueScan } from '../../../platform/json/index.js';
import { largestOf, readUsage, type ReportedCounts } from './openai-usage.js';

const NOTHING: Buffer = Buffer.alloc(0);
/** Within a string the quotes of these would be escaped, and not match. */
const USAGE = '"usage"';
const USAGE_OBJECT = /^"usage"\s*:\s*(?=\{)/;
const FINISHED = /"finish_reason"\s*:\s*"/;
const MODEL = /"model"\s*:\s*"([^"\\]*)"/;
/** No mark is longer. */
const OVERLAP_BYTES = 32;
/** No report is longer. */
const MAX_USAGE_BYTES = 8 * 1024;
/** So many fields of that name are looked at, and so many of them to the end that have none. */
const MAX_NAMED = 65_536;
const MAX_ENDLESS = 64;

/** Reads what a call needs of an event that is too long to be kept (a picture in base64, say), as its pieces go by. */
export class LongEvent {
  usage: ReportedCounts | null = null;
  /** A report says something twice, and is not believed. */
  isDoubtful = false;
  finished = false;
  model: string | null = null;
  private tail = NOTHING;
  private named = 0;
  private endless = 0;

  add(piece: Buffer): void {
    const data = this.tail.length === 0 ? piece : Buffer.concat([this.tail, piece]);
    // Byte for byte, so that places in the text are places in the data.
    const text = data.toString('latin1');
    this.finished ||= FINISHED.test(text);
    this.model ??= MODEL.exec(text)?.[1] ?? null;
    let kept = Math.max(0, data.length - OVERLAP_BYTES);
    for (let at = text.indexOf(USAGE); at !== -1 && this.isWorthReading;) {
      this.named += 1;
      const report = text.slice(at, at + MAX_USAGE_BYTES);
      const end = endOfObject(report);
      if (end !== -1) this.note(report.slice(0, end));
      else if (report.length < MAX_USAGE_BYTES) kept = Math.min(kept, at);
      else if (USAGE_OBJECT.test(report)) this.endless += 1;
      at = text.indexOf(USAGE, at + (end === -1 ? USAGE.length : end));
    }
    this.tail = data.subarray(kept);
  }

  private get isWorthReading(): boolean {
    return this.named < MAX_NAMED && this.endless < MAX_ENDLESS;
  }

  private note(report: string): void {
    const text = report.replace(USAGE_OBJECT, '');
    const counts = readUsage(parsed(text));
    if (counts === null) return;
    if (saysTwice(text)) this.isDoubtful = true;
    else this.usage = largestOf(this.usage, counts);
  }
}

/**
 * What can be believed of an object's reports. Of two fields with one name a parser keeps the last, and that may be the zeros
 * after the truth: of two reports the larger of each count holds, and a report that says a count twice says nothing.
 *
 * @param parsed what a parser read of them
 */
export function believedUsage(object: Buffer, parsed: ReportedCounts | null): ReportedCounts | null {
  const first = object.indexOf(USAGE);
  if (first === -1) return parsed;
  const isRepeated = object.includes(USAGE, first + 1);
  if (!isRepeated && !isReportedTwice(object.toString('latin1', first, first + MAX_USAGE_BYTES))) return parsed;
  const read = new LongEvent();
  read.add(isRepeated ? object : object.subarray(first, first + MAX_USAGE_BYTES));
  if (read.isDoubtful) return read.usage;
  return isRepeated && read.usage !== null ? largestOf(parsed, read.usage) : parsed;
}

/** Whether the report at the text's beginning says a field twice: only then it need be read closely. */
function isReportedTwice(text: string): boolean {
  const colon = skipSpace(text, USAGE.length);
  const start = skipSpace(text, colon + 1);
  if (text[colon] !== ':' || text[start] !== '{') return false;
  const scan = new ValueScan(text, start);
  scan.readTo(text.length);
  // Of two fields with one name a parser keeps one.
  return scan.isWhole && scan.names !== namesIn(parsed(text.slice(start, scan.at)));
}

function namesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let names = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const inner of Object.values(value)) names += namesIn(inner);
  return names;
}

function saysTwice(report: string): boolean {
  try {
    refuseRepeatedFields(report);
    return false;
  } catch {
    return true;
  }
}

/** Where the object ends that is the value of the field at the beginning; -1: it is not an object, or not whole. */
function endOfObject(text: string): number {
  const start = USAGE_OBJECT.exec(text)?.[0].length;
  if (start === undefined) return -1;
  const scan = new ValueScan(text, start);
  scan.readTo(text.length);
  return scan.isWhole ? scan.at : -1;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}
