import { parseBounded } from '../../platform/json/index.js';
import type { ModelCatalogue } from '../models/model-catalogue.js';
import {
  isRequestOf,
  type AnswerHeaders,
  type AnswerSink,
  type Attempt,
  type OperationName,
  type OperationRequests,
  type Provider,
  type ProviderFailure,
} from '../providers/provider.js';
import { isObject } from '../providers/requests/chat-request.js';
import type { ResponsesRequest } from '../providers/requests/responses-request.js';

/** Notes a response that the provider keeps. It never fails: the caller has the answer in any case. */
type NoteResponse = (id: string, model: string, tokens: number | null) => Promise<void>;

/** A provider that keeps responses. Their owner is noted before the caller can ask for them. */
export class KeepingProvider implements Provider {
  constructor(
    private readonly provider: Provider,
    private readonly note: NoteResponse,
  ) {}

  get name(): string {
    return this.provider.name;
  }

  get kind(): string {
    return this.provider.kind;
  }

  get operations(): ReadonlySet<OperationName> {
    return this.provider.operations;
  }

  get catalogue(): ModelCatalogue {
    return this.provider.catalogue;
  }

  start<Name extends OperationName>(operation: Name, request: OperationRequests[Name], sink: AnswerSink): Attempt {
    if (!isRequestOf('responses', operation, request)) return this.provider.start(operation, request, sink);
    const noting = new NotingSink(request, sink, this.note);
    const attempt = this.provider.start(operation, request, noting);
    noting.attempt = attempt;
    return attempt;
  }
}

/** The events after which a response is there to be asked for. Within a string the quotes would be escaped, and not match. */
const LAST_EVENT = /"type"\s*:\s*"response\.(?:completed|incomplete|failed)"/;
/** In an event that is too long to be read whole. */
const ID = /"response"\s*:\s*\{[^{}]*?"id"\s*:\s*"([^"\\]{1,256})"/;
const FIRST_ID = /^\s*\{\s*"id"\s*:\s*"([^"\\]{1,256})"/;
const FIRST_BYTES = 64 * 1024;

/** Lets an answer through; its last event, or a whole answer, only once its owner is noted. */
class NotingSink implements AnswerSink {
  attempt: Attempt | null = null;
  private id: string | null = null;
  private isNoted = false;
  /** What waits until that is done; null: nothing does. */
  private waiting: (() => void)[] | null = null;

  constructor(
    private readonly request: ResponsesRequest,
    private readonly sink: AnswerSink,
    private readonly note: NoteResponse,
  ) {}

  onJson(headers: AnswerHeaders, body: Buffer): void {
    // A large answer was parsed once already, in turns; the id is its first field.
    const first = body.length > FIRST_BYTES ? FIRST_ID.exec(body.toString('utf8', 0, FIRST_BYTES))?.[1] : undefined;
    this.id = first ?? idOf(parsed(body.toString('utf8')));
    this.hold();
    this.tell(() => this.sink.onJson(headers, body));
  }

  onStreamData(headers: AnswerHeaders, events: Buffer): void {
    if (this.id === null) this.readId(events);
    if (!this.isNoted && this.waiting === null && LAST_EVENT.test(events.toString('latin1'))) this.hold();
    this.tell(() => this.sink.onStreamData(headers, events));
  }

  onStreamEnd(): void {
    this.tell(() => this.sink.onStreamEnd());
  }

  onFailure(failure: ProviderFailure): void {
    this.tell(() => this.sink.onFailure(failure));
  }

  onLate(failure: ProviderFailure): boolean {
    return this.sink.onLate(failure);
  }

  onKept(bytes: number): boolean {
    return this.sink.onKept?.(bytes) !== false;
  }

  /** A response that runs on without its caller is noted at once. */
  private readId(events: Buffer): void {
    const text = events.toString('utf8', 0, FIRST_BYTES);
    const [, data = ''] = /^data: ?(\{.*)$/m.exec(text) ?? [];
    const event = parsed(data);
    this.id = event === null ? (ID.exec(text)?.[1] ?? null) : idOf(event['response']);
    if (this.id !== null && this.request.json.value['background'] === true)
      void this.note(this.id, this.request.model, null);
  }

  private hold(): void {
    if (this.id === null) return;
    this.waiting = [];
    void this.note(this.id, this.request.model, this.tokens()).then(() => {
      const told = this.waiting ?? [];
      this.waiting = null;
      this.isNoted = true;
      for (const tell of told) tell();
    });
  }

  private tell(tell: () => void): void {
    if (this.waiting === null) tell();
    else this.waiting.push(tell);
  }

  /** What a response that goes on from this one reads at most; null: not known, or the provider cut what it read. */
  private tokens(): number | null {
    const { truncation, context_management: management } = this.request.json.value;
    const isCut =
      (truncation !== undefined && truncation !== null && truncation !== 'disabled') || isObject(management);
    const used = this.attempt?.usage();
    if (isCut || Array.isArray(management) || used === undefined || used.estimated) return null;
    return used.inputTokens + used.outputTokens;
  }
}

function idOf(response: unknown): string | null {
  return isObject(response) && typeof response['id'] === 'string' && response['id'] !== '' ? response['id'] : null;
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value = parseBounded(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
