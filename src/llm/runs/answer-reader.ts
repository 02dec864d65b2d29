import type { Steps } from '../../platform/json/index.js';
import type { Answer } from '../providers/openai/answer-reader.js';
import { endOfFirstEvent, parseEvent, parseEventSteps } from '../providers/openai/sse-usage-filter.js';
import { SMALL_EVENT_BYTES } from '../providers/openai/whole-answer.js';
import { WholeEvents } from '../providers/openai/whole-events.js';
import { isObject } from '../providers/requests/chat-request.js';
import type { ToolCall } from './run.types.js';

interface GrowingCall {
  id: string;
  name: string;
  arguments: string;
  extraContent: unknown;
}

/** Reads what an answer says, of its first choice: text, and calls of tools. */
export class AnswerReader {
  finishReason: string | null = null;
  extraContent: unknown = undefined;
  private readonly calls: GrowingCall[] = [];
  private readonly whole = new WholeEvents();

  /** @returns the text that the events add which are whole now; steps: they are large */
  readEvents(pieces: Buffer): string | Steps<string> {
    const events = this.whole.push(pieces);
    if (events.length > SMALL_EVENT_BYTES) return this.eventSteps(events);
    let text = '';
    for (const event of eachOf(events)) text += this.readChoice(parseEvent(event), 'delta');
    return text;
  }

  /** @returns the text of a whole answer */
  readAnswer(answer: Answer): string {
    return this.readChoice(answer, 'message');
  }

  /** A call without a name is one where it has arguments. */
  get toolCalls(): readonly ToolCall[] {
    return this.calls.flatMap(({ extraContent, ...call }) =>
      call.name === '' && call.arguments === ''
        ? []
        : [{ ...call, ...(extraContent === undefined ? {} : { extraContent }) }],
    );
  }

  private *eventSteps(events: Buffer): Steps<string> {
    let text = '';
    for (const event of eachOf(events)) {
      const isLarge = event.length > SMALL_EVENT_BYTES;
      text += this.readChoice(isLarge ? yield* parseEventSteps(event) : parseEvent(event), 'delta');
      yield;
    }
    return text;
  }

  private readChoice(answer: unknown, field: 'delta' | 'message'): string {
    if (!isObject(answer) || !Array.isArray(answer['choices'])) return '';
    const choice = (answer['choices'] as readonly unknown[])[0];
    if (!isObject(choice)) return '';
    if (typeof choice['finish_reason'] === 'string') this.finishReason = choice['finish_reason'];
    const said = choice[field];
    if (!isObject(said)) return '';
    if (said['extra_content'] !== undefined) this.extraContent = said['extra_content'];
    const calls = said['tool_calls'];
    if (Array.isArray(calls)) calls.forEach((call: unknown, index) => this.readCall(call, index));
    const content = typeof said['content'] === 'string' ? said['content'] : '';
    return typeof said['refusal'] === 'string' ? content + said['refusal'] : content;
  }

  private readCall(call: unknown, place: number): void {
    if (!isObject(call)) return;
    const index = typeof call['index'] === 'number' ? call['index'] : place;
    if (!Number.isInteger(index) || index < 0 || index >= MOST_CALLS) return;
    while (this.calls.length <= index) this.calls.push({ id: '', name: '', arguments: '', extraContent: undefined });
    const growing = this.calls[index] as GrowingCall;
    if (typeof call['id'] === 'string' && call['id'] !== '') growing.id = call['id'];
    if (call['extra_content'] !== undefined) growing.extraContent = call['extra_content'];
    const { function: called } = call;
    if (!isObject(called)) return;
    if (typeof called['name'] === 'string') growing.name += called['name'];
    if (typeof called['arguments'] === 'string') growing.arguments += called['arguments'];
  }
}

function* eachOf(events: Buffer): Generator<Buffer> {
  for (let start = 0; start < events.length;) {
    const end = endOfFirstEvent(events, start);
    const event = events.subarray(start, end === -1 ? events.length : end);
    start += event.length;
    yield event;
  }
}

/** In one answer. */
const MOST_CALLS = 256;
