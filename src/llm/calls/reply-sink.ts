import type { FastifyReply } from 'fastify';
import { Fault } from '../../platform/errors/index.js';
import { logger } from '../../platform/logging/index.js';
import { durationText } from '../../limits/index.js';
import { endedAs, OPENAI_DIALECT } from '../../platform/http/index.js';
import { atTurnsEnd } from '../../platform/turns/index.js';
import type { TokenRoom } from '../../usage/index.js';
import type { AnswerHeaders, ProviderFailure, ProviderRefusal } from '../providers/provider.js';
import type { Attribution, CallSink, CallSinkListener } from './call-sink.js';
import type { StreamError } from './operation.js';

/** Writes an answer to the caller's HTTP reply as JSON or as server-sent events: the provider's bytes as they come. */
export class ReplySink implements CallSink {
  isBehind = false;
  private listener: CallSinkListener | null = null;

  constructor(
    private readonly reply: FastifyReply,
    private readonly streamError: StreamError = errorAsData,
  ) {}

  get isGone(): boolean {
    return this.reply.raw.destroyed;
  }

  listen(listener: CallSinkListener): void {
    this.listener = listener;
    this.reply.raw.once('close', () => listener.onLeft());
  }

  attribute({ provider, model, attempts, awaitedMs, tokenRoom }: Attribution): void {
    if (tokenRoom !== null) this.tellTokens(tokenRoom);
    const overheadMs = Math.max(0, this.reply.elapsedTime - awaitedMs);
    this.reply
      .header('x-gatehouse-provider', headerText(provider))
      .header('x-gatehouse-model', headerText(model))
      .header('x-gatehouse-attempts', attempts)
      .header('x-gatehouse-overhead-ms', Math.round(overheadMs * 10) / 10);
  }

  /** As OpenAI tells of its own limit of tokens, for clients that pace themselves by it. */
  private tellTokens({ limit, left, renewsInMs }: TokenRoom): void {
    this.reply
      .header('x-ratelimit-limit-tokens', String(limit))
      .header('x-ratelimit-remaining-tokens', String(left))
      .header('x-ratelimit-reset-tokens', durationText(Math.ceil(renewsInMs / 1000)));
  }

  json(headers: AnswerHeaders, body: Buffer, by: Attribution): void {
    this.attribute(by);
    const sent = headersOf(this.reply, headers);
    sent.push('content-length', String(body.length));
    this.reply.hijack();
    atTurnsEnd(() =>
      this.safely(() => {
        this.reply.raw.writeHead(200, sent);
        // As text of one byte for each character Node sends it in one piece with the headers.
        if (body.length <= ONE_PIECE_BYTES) this.reply.raw.end(body.toString('latin1'), 'latin1');
        else this.reply.raw.end(body);
      }),
    );
  }

  refuse({ status, headers, body }: ProviderRefusal, by: Attribution): void {
    this.attribute(by);
    this.safely(() => {
      void this.reply
        .code(status)
        .headers(headers)
        .header('content-type', 'application/json; charset=utf-8')
        .send(JSON.stringify(body));
    });
  }

  /** Called with the first event and not before, so that a failure until then still has a status to say. */
  begin(headers: AnswerHeaders, by: Attribution): void {
    this.attribute(by);
    const sent = headersOf(this.reply, headers);
    sent.push(
      'content-type',
      'text/event-stream; charset=utf-8',
      'cache-control',
      'no-cache',
      'x-accel-buffering',
      'no',
    );
    this.safely(() => {
      this.reply.hijack();
      this.reply.raw.writeHead(200, sent);
    });
  }

  write(events: Buffer): boolean {
    if (this.reply.raw.write(events)) return true;
    if (!this.isBehind) {
      this.isBehind = true;
      this.reply.raw.once('drain', () => {
        this.isBehind = false;
        this.listener?.onCaughtUp();
      });
    }
    return false;
  }

  end(failure: ProviderFailure | null): void {
    if (failure !== null) {
      endedAs(this.reply.raw, failure.error.status);
      if (failure.told !== true) this.reply.raw.write(this.streamError(errorOf(failure)));
    }
    this.reply.raw.end();
  }

  whenTaken(callback: () => void): void {
    if (this.reply.raw.closed) callback();
    else this.reply.raw.once('close', callback);
  }

  /** What can't be written costs the caller the connection, and not the call its settlement. */
  private safely(write: () => void): void {
    try {
      write();
    } catch (error) {
      logger.error({ err: error }, 'An answer could not be written to its caller.');
      this.reply.raw.destroy();
    }
  }
}

/** A longer body is not copied once more. */
const ONE_PIECE_BYTES = 16 * 1024;

const PLAIN = /^[\x21-\x7e]*$/;

/** A header takes printable ASCII alone; names may hold anything. */
function headerText(name: string): string {
  return PLAIN.test(name) ? name : encodeURIComponent(name);
}

/**
 * What hooks and guards have set (rate limit, request id, CORS), and what the answer brings, as the list that Node's server
 * takes without copying. No header is in both.
 */
function headersOf(reply: FastifyReply, headers: AnswerHeaders): string[] {
  const set = reply.getHeaders();
  const list: string[] = [];
  for (const name in set) list.push(name, String(set[name]));
  for (const name in headers) list.push(name, headers[name] as string);
  return list;
}

function errorOf({ error }: ProviderFailure): object {
  const body = error instanceof Fault ? OPENAI_DIALECT.renderError(error, '') : error.body;
  return (body as { readonly error: object }).error;
}

/** OpenAI's clients throw it as an error. */
function errorAsData(error: object): string {
  return `data: ${JSON.stringify({ error })}\n\n`;
}
