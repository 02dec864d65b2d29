import { Inject, Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { currentRequestContext, runWithRequestContext, type RequestContext } from '../context/index.js';
import { Fault } from '../errors/index.js';
import { PacedLine, type LineOwner } from '../shares/index.js';
import { sourceOf } from './address-source.js';
import { Drain } from './drain.js';
import { endedAs } from './ended-as.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Set by the composition root. */
    refusals: PacedRefusals;
  }
}

/** Callers without a tenant: of the groups that take turns one, however many addresses they have. */
const STRANGERS = 'strangers';
const ACCOUNTS = 'accounts';

/**
 * Bounds how many requests of all callers together are refused each second. Beyond it answers wait in line, where tenants
 * and strangers' addresses take turns. A caller who sends the next request once it has the answer is slowed by that, so that a
 * flood takes a bounded part of the processor. Where too many of one caller wait, its connection is closed.
 */
@Injectable()
export class PacedRefusals {
  readonly line: PacedLine;

  constructor(
    @Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'refusalsPerSecond' | 'refusalsWaiting'>,
    private readonly drain: Drain,
  ) {
    this.line = new PacedLine({ perSecond: settings.refusalsPerSecond, waiting: settings.refusalsWaiting });
    drain.onBegin(() => this.line.releaseAll());
  }

  /** Sends a refusal in its turn. A caller who leaves meanwhile leaves the line. */
  answer(request: FastifyRequest, reply: FastifyReply, status: number, send: () => void): void {
    const { context } = request;
    if (context?.hasTurn === true || this.isFree()) return send();
    // What the request has sent is not needed any more, and others may use its room.
    request.bodyRoom?.release();
    request.bodyRoom = null;
    const place = this.line.wait(ownerOf(request.ip, context), () => {
      if (context === undefined) send();
      else runWithRequestContext(context, send);
    });
    if (place === null) {
      endedAs(reply.raw, status);
      request.raw.socket.destroy();
      return;
    }
    reply.raw.once('close', () => place.leave());
  }

  /**
   * Judges a credential of the current request that was not judged before, where that is costly: it waits for the turn that its
   * refusal would need. A caller who leaves is never judged. One who is refused has had the turn; for others it does not count.
   *
   * @throws Fault rate_limited: too many wait; what `judge` throws
   */
  judge<Result>(judge: () => Result): Result | Promise<Result> {
    const context = currentRequestContext();
    if (context === undefined || context.hasTurn === true || this.drain.isDraining) return judge();
    const judged = (): Result => {
      context.hasTurn = true;
      const result = judge();
      context.hasTurn = false;
      this.line.giveBack();
      return result;
    };
    if (this.line.take()) return judged();
    return new Promise<void>((resolve, reject) => {
      const place = this.line.wait(ownerOf(context.address, context), resolve);
      if (place === null) reject(tooManyWait());
      else context.leaveLine = () => place.leave();
    }).then(judged);
  }

  private isFree(): boolean {
    return this.drain.isDraining || this.line.take();
  }
}

function ownerOf(address: string, { tenantId, shareOf, subject }: Partial<RequestContext> = {}): LineOwner {
  if (tenantId !== undefined) return { group: tenantId, member: shareOf ?? tenantId };
  if (subject !== undefined) return { group: ACCOUNTS, member: subject };
  return { group: STRANGERS, member: sourceOf(address) };
}

function tooManyWait(): Fault {
  return new Fault(
    'rate_limited',
    'Too many requests that are refused wait for their answers; check the credential, and try again later. The operator sets ' +
      'this limit by GATEHOUSE_REFUSALS_WAITING.',
  );
}
