import { getHeapStatistics } from 'node:v8';
import { Inject, Injectable } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { Fault } from '../errors/index.js';
import type { JsonBounds } from '../json/index.js';
import type { ShareOwner } from '../shares/index.js';
import { READING_TURNS } from './reading-turns.js';

type BodySettings = Pick<
  Settings,
  'bodyLimitBytes' | 'bodyLimitValues' | 'bodyLimitDepth' | 'tenantBodyBytes' | 'bodyBytes' | 'idleTimeoutMs'
>;

/** Bodies need memory for their text and for the objects built from it: more than this part of the heap would end the process. */
const PART_OF_HEAP = 1 / 4;
/** So that no tenant, and no org with all its tenants, can take all the room. */
const PART_OF_TENANT = 1 / 2;
const PART_OF_ORG = 5 / 8;
/**
 * An org may hold at most this many times the room that is still free, so that several large users still leave room to others.
 */
const TIMES_FREE = 2;
const AGAIN_SECONDS = 1;
/** A smaller body takes so little time that it need not wait for a turn. */
export const SMALL_BODY_BYTES = 64 * 1024;

declare module 'fastify' {
  interface FastifyInstance {
    /** Set by the composition root. */
    bodies: RequestBodies;
  }
  interface FastifyRequest {
    /** The room that this request's body takes; released when its answer is over. */
    bodyRoom: BodyRoom | null;
  }
}

/**
 * Bounds the size of each request body, and of all bodies in memory at once. A tenant or org whose bodies fill its share gets
 * 429 at once, and the others do not wait for it. Where all bodies together are too large, the next one gets 503.
 */
@Injectable()
export class RequestBodies {
  readonly limitBytes: number;
  /** How long a body may pause. */
  readonly silenceMs: number;
  readonly bounds: JsonBounds;
  readonly turns = READING_TURNS;
  private readonly shareBytes: number;
  private readonly totalBytes: number;
  private readonly ofTenants = new Map<string, number>();
  private readonly ofOrgs = new Map<string, number>();
  /** Since the start. */
  refused = 0;
  readonly waiting = 0;
  private held = 0;
  /** How many are in memory. */
  open = 0;

  constructor(@Inject(SETTINGS_TOKEN) settings: BodySettings) {
    this.limitBytes = settings.bodyLimitBytes;
    this.silenceMs = settings.idleTimeoutMs;
    this.bounds = { maxValues: settings.bodyLimitValues, maxDepth: settings.bodyLimitDepth };
    this.totalBytes = Math.min(settings.bodyBytes, getHeapStatistics().heap_size_limit * PART_OF_HEAP);
    this.shareBytes = Math.min(settings.tenantBodyBytes, this.totalBytes * PART_OF_TENANT);
  }

  get most(): number {
    return this.totalBytes;
  }

  get taken(): number {
    return this.held;
  }

  /** Room for one body, empty as yet. */
  roomOf(owner: ShareOwner): BodyRoom {
    return new BodyRoom(
      (bytes) => this.take(owner, bytes),
      () => this.turns.next(owner.tenantId),
      (bodies) => (this.open += bodies),
    );
  }

  /**
   * The first body gets room whatever its size; otherwise a body larger than a share could never be served.
   *
   * @param bytes below 0: gives room back
   * @throws Fault rate_limited, unavailable
   */
  private take({ tenantId, orgId }: ShareOwner, bytes: number): void {
    if (bytes > 0) this.assertRoom(this.ofTenants.get(tenantId) ?? 0, this.ofOrgs.get(orgId) ?? 0, bytes);
    this.held += bytes;
    add(this.ofTenants, tenantId, bytes);
    add(this.ofOrgs, orgId, bytes);
  }

  private assertRoom(ofTenant: number, ofOrg: number, bytes: number): void {
    const mostOfOrg = this.totalBytes * PART_OF_ORG;
    if (ofTenant > 0 && ofTenant + bytes > this.shareBytes) throw this.refusal(shareIsFull());
    if (ofOrg > 0 && ofOrg + bytes > mostOfOrg) throw this.refusal(shareIsFull());
    const free = this.totalBytes - this.held - bytes;
    if (this.held > 0 && free < 0) throw this.refusal(allIsFull());
    if (this.held > ofOrg && ofOrg + bytes > TIMES_FREE * free)
      throw this.refusal(ofOrg > 0 ? shareIsFull() : allIsFull());
  }

  private refusal(fault: Fault): Fault {
    this.refused += 1;
    return fault;
  }
}

/** The room that one body takes. Its first user is the request; code that keeps the body for longer retains the room. */
export class BodyRoom {
  private bytes = 0;
  private users = 1;

  constructor(
    private readonly take: (bytes: number) => void,
    private readonly nextTurn: () => Promise<void>,
    /** Called when the body begins (1) or ends (-1) to take room. */
    private readonly count: (bodies: 1 | -1) => void,
  ) {}

  /** Before work on the whole body: a small body waits for no turn, a large one for its owner's. */
  turn(): Promise<void> | undefined {
    return this.bytes <= SMALL_BODY_BYTES ? undefined : this.nextTurn();
  }

  /** @throws Fault rate_limited, unavailable: nothing was taken */
  growTo(bytes: number): void {
    if (bytes <= this.bytes) return;
    this.take(bytes - this.bytes);
    if (this.bytes === 0) this.count(1);
    this.bytes = bytes;
  }

  /** For text that is added to the body. @throws Fault rate_limited, unavailable: nothing was taken */
  growBy(bytes: number): void {
    this.growTo(this.bytes + bytes);
  }

  retain(): void {
    this.users += 1;
  }

  release(): void {
    this.users -= 1;
    if (this.users !== 0 || this.bytes === 0) return;
    this.take(-this.bytes);
    this.count(-1);
    this.bytes = 0;
  }
}

function add(counts: Map<string, number>, owner: string, count: number): void {
  const now = (counts.get(owner) ?? 0) + count;
  if (now > 0) counts.set(owner, now);
  else counts.delete(owner);
}

function shareIsFull(): Fault {
  return new Fault(
    'rate_limited',
    'The bodies of your open requests fill the memory that one tenant or one org may use; wait until some are answered. The operator sets ' +
      'this limit by GATEHOUSE_TENANT_BODY_BYTES.',
    { code: 'concurrency_limit_exceeded', retryAfterSeconds: AGAIN_SECONDS },
  );
}

function allIsFull(): Fault {
  return new Fault(
    'unavailable',
    'The bodies of all open requests fill the memory that this process has for them; try again shortly. The operator sets this ' +
      'limit by GATEHOUSE_BODY_BYTES.',
    { retryAfterSeconds: AGAIN_SECONDS },
  );
}
