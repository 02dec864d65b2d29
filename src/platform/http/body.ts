import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { Fault } from '../errors/index.js';
import {
  alikeSteps,
  assertBounded,
  boundSteps,
  jsonObjectSteps,
  parseJsonObject,
  type JsonBounds,
  type JsonObject,
} from '../json/index.js';
import type { ShareOwner } from '../shares/index.js';
import { BODY_TURNS, BYTES_PER_PIECE, type Receiver } from '../turns/index.js';
import { askForBody } from './expected-bodies.js';
import { GatheredBytes } from './gathered-bytes.js';
import { inTurns } from './reading-turns.js';
import { SMALL_BODY_BYTES, type BodyRoom, type RequestBodies } from './request-bodies.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The tenant and org whose shares a tenant's requests use. Set by the composition root. */
    shareOwnerOf: (tenantId: string) => ShareOwner | Promise<ShareOwner>;
  }
  interface FastifyRequest {
    /** When the caller was judged, in the process's own monotonic milliseconds. */
    judgedAtMs: number;
    /** Judges the caller again; null without a caller to judge. */
    judgeAgain: (() => Promise<void>) | null;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * So much of a body may wait unread before its connection is read no further. Of the 64 KiB of one read, a body in chunks of one
 * byte is a sixth, and each chunk waits in a buffer of its own: this stops after the first read.
 */
export const READ_AHEAD_BYTES = 10_240;

/** A judgement older than this is repeated once the body has arrived; with a warm cache that costs no query. */
const STALE_JUDGEMENT_MS = 250;

/**
 * Reads the body of a caller who was judged before, within the bounds on bodies; does not parse it. A caller could hold a body
 * back until its rights are taken away. So after a slow body the caller is judged again, and refused if anything changed.
 *
 * @throws Fault payload_too_large, unsupported_media_type, invalid_input; rate_limited, unavailable: no room for
 *   it now; unauthenticated, permission_denied
 */
export function readCallersBody(request: FastifyRequest): Buffer | Promise<Buffer> {
  const owned = bodyOwnerOf(request);
  return owned instanceof Promise ? owned.then((owner) => readInto(request, owner)) : readInto(request, owned);
}

/** Without a promise where a small body has arrived, as most have by the time that their caller is judged. */
function readInto(request: FastifyRequest, owner: ShareOwner): Buffer | Promise<Buffer> {
  const { bodies } = request.server;
  const room = bodies.roomOf(owner);
  try {
    const body = readBody(request.raw, bodies, room);
    if (!(body instanceof Promise)) return arrived(request, room, body);
    return body.then(
      (whole) => arrived(request, room, whole),
      (error: unknown) => {
        room.release();
        throw error;
      },
    );
  } catch (error) {
    if (request.bodyRoom !== room) room.release();
    throw error;
  }
}

/** From here on the request holds the room. */
function arrived(request: FastifyRequest, room: BodyRoom, body: Buffer): Buffer | Promise<Buffer> {
  request.bodyRoom = room;
  const isStale = performance.now() - request.judgedAtMs > STALE_JUDGEMENT_MS;
  if (request.judgeAgain !== null && isStale) return request.judgeAgain().then(() => bounded(request, body));
  return bounded(request, body);
}

function bounded(request: FastifyRequest, body: Buffer): Buffer | Promise<Buffer> {
  const { bounds } = request.server.bodies;
  if (body.length > SMALL_BODY_BYTES) return boundedInTurns(request, body, bounds);
  assertBounded(body, bounds);
  return body;
}

async function boundedInTurns(request: FastifyRequest, body: Buffer, bounds: JsonBounds): Promise<Buffer> {
  const turn = (): Promise<void> => nextTurn(request);
  await turn();
  await inTurns(boundSteps(body, bounds), turn);
  await inTurns(alikeSteps(body), turn);
  await turn();
  return body;
}

/**
 * Reads such a body as one JSON object. A large body is parsed step by step, so that other work runs between the steps.
 *
 * @throws Fault as `readCallersBody` and `parseJsonObject` do; unsupported_media_type
 */
export function readCallersJson(request: FastifyRequest): JsonObject | Promise<JsonObject> {
  const body = readCallersBody(request);
  return body instanceof Promise ? body.then((whole) => jsonOf(request, whole)) : jsonOf(request, body);
}

function jsonOf(request: FastifyRequest, body: Buffer): JsonObject | Promise<JsonObject> {
  assertJson(request.raw);
  return body.length <= SMALL_BODY_BYTES ? parseJsonObject(body) : parseInTurns(request, body);
}

/**
 * Parses a body that was made from a request's body; a large one step by step.
 *
 * @throws Fault as `parseJsonObject` does; invalid_input: the caller is gone
 */
export function parseAgain(request: FastifyRequest, body: Buffer): JsonObject | Promise<JsonObject> {
  return body.length <= SMALL_BODY_BYTES
    ? parseJsonObject(body)
    : nextTurn(request).then(() => parseInTurns(request, body));
}

/** @throws Fault as `parseJsonObject` does; invalid_input: the caller is gone */
export async function parseInTurns(request: FastifyRequest, body: Buffer): Promise<JsonObject> {
  const json = await inTurns(jsonObjectSteps(body), () => nextTurn(request));
  await nextTurn(request);
  return json;
}

/** @throws Fault invalid_input: the caller is gone */
async function nextTurn(request: FastifyRequest): Promise<void> {
  await request.server.bodies.turns.next(ownerOf(request));
  if (request.raw.socket.destroyed) throw brokenOff();
}

/** Whose share the body uses. A caller without a tenant has a share of its own. */
function bodyOwnerOf(request: FastifyRequest): ShareOwner | Promise<ShareOwner> {
  const tenantId = request.context?.tenantId;
  const owner = ownerOf(request);
  if (tenantId === undefined) return { tenantId: owner, orgId: owner };
  const owned = request.server.shareOwnerOf(tenantId);
  if (owner === tenantId) return owned;
  return owned instanceof Promise
    ? owned.then(({ orgId }) => ({ tenantId: owner, orgId }))
    : { tenantId: owner, orgId: owned.orgId };
}

function ownerOf({ context, ip }: FastifyRequest): string {
  return context?.shareOf ?? context?.tenantId ?? context?.subject ?? ip;
}

/**
 * Reads a request's body. Runs only when a handler asks for the body, after authentication and rate limiting, so that every
 * error here carries the caller's rate limit headers.
 *
 * @param room grows with the body: to the stated length before any of it is read, else as it arrives
 * @throws Fault payload_too_large, unsupported_media_type, invalid_input; what the room throws
 */
export function readBody(
  request: IncomingMessage,
  { limitBytes, silenceMs }: Pick<RequestBodies, 'limitBytes' | 'silenceMs'>,
  room: Pick<BodyRoom, 'growTo'>,
): Buffer | Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Fault('unsupported_media_type', 'content-encoding: compressed bodies are not accepted.', {
      fields: [{ field: 'content-encoding', reason: 'compressed bodies are not accepted' }],
    });
  }
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > limitBytes) throw tooLarge(limitBytes);
  if (request.destroyed && !request.readableEnded) throw brokenOff();
  room.growTo(length);
  if (request.complete && !request.readableEnded) {
    // All of it is in the stream's buffer.
    const whole = (request.read() as Buffer | null) ?? NOTHING;
    if (whole.length > limitBytes) throw tooLarge(limitBytes);
    room.growTo(whole.length);
    return whole;
  }
  askForBody(request);
  const gathered = new GatheredBytes(length, limitBytes);
  return new Promise((resolve, reject) => {
    const silence = request.complete ? null : setTimeout(() => finish(fellSilent(silenceMs)), silenceMs);
    let isOver = false;
    const receiver: Receiver = {
      receivedBytes: 0,
      turn: 0,
      readOn: () => {
        if (!isOver) request.resume();
      },
    };
    const finish = (error: unknown): void => {
      isOver = true;
      if (silence !== null) clearTimeout(silence);
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- an error that was caught is passed on as it is
      if (error !== null) reject(error);
      else resolve(gathered.all());
    };
    const onData = (chunk: Buffer): void => {
      silence?.refresh();
      try {
        if (gathered.size + chunk.length > limitBytes) throw tooLarge(limitBytes);
        room.growTo(gathered.size + chunk.length);
      } catch (error) {
        request.pause();
        finish(error);
        return;
      }
      gathered.add(chunk);
      // Callers may send a body byte by byte: taking it apart would hold up every other call.
      if (!BODY_TURNS.took(chunk.length + BYTES_PER_PIECE, receiver)) request.pause();
    };
    const onEnd = (): void => finish(null);
    const onClose = (): void => finish(brokenOff());
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

function brokenOff(): Fault {
  return new Fault(
    'invalid_input',
    'The body ended before it was complete. Send it whole, and as long as Content-Length says.',
  );
}

function fellSilent(silenceMs: number): Fault {
  return new Fault(
    'invalid_input',
    `Nothing of the body came for ${silenceMs / 1000} seconds; send it whole. The operator sets this limit by GATEHOUSE_IDLE_TIMEOUT_MS.`,
    { code: 'body_timeout' },
  );
}

function tooLarge(limitBytes: number): Fault {
  return new Fault(
    'payload_too_large',
    `The body is larger than ${limitBytes} bytes; send less. The operator sets this limit by GATEHOUSE_BODY_LIMIT_BYTES.`,
  );
}

const TAKEN_FOR_JSON = new Set(['application/json', 'application/x-www-form-urlencoded']);

/**
 * Bodies are JSON. A missing content type passes, and so does curl's default for -d, form data. The type protects nothing here,
 * since the service reads no cookie.
 */
export function assertJson(request: IncomingMessage): void {
  const contentType = request.headers['content-type'];
  if (contentType === undefined || contentType === '') return;
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (TAKEN_FOR_JSON.has(mediaType) || mediaType.endsWith('+json')) return;
  throw new Fault('unsupported_media_type', 'content-type: must be application/json.', {
    fields: [{ field: 'content-type', reason: 'must be application/json' }],
  });
}
