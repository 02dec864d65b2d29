import type { FastifyRequest } from 'fastify';
import { Injectable } from '@nestjs/common';
import { invalidField } from '../../platform/errors/index.js';
import { parseAgain } from '../../platform/http/index.js';
import { assertBounded, type JsonObject } from '../../platform/json/index.js';
import type { CallingPrincipal, ChatPrincipal } from '../access/chat-access.js';
import { ContextsService } from '../contexts/contexts.service.js';
import { isObject } from '../providers/requests/chat-request.js';

const FIELD = 'gabber';

/** What Gabber's clients ask for beside a completion, in a field that no provider knows. */
@Injectable()
export class GabberRequests {
  constructor(private readonly contexts: ContextsService) {}

  /**
   * The request as a provider takes it: without the field, and with the messages of the context that it names before its own.
   * They are part of the request from here on: whatever judges it judges them too. Nothing is kept in the context by that.
   *
   * @throws Fault invalid_input, naming the field; not_found: no such context of this caller; rate_limited, unavailable
   */
  plain(json: JsonObject, principal: CallingPrincipal, request: FastifyRequest): JsonObject | Promise<JsonObject> {
    if (!json.fields.has(FIELD)) return json;
    const context = contextOf(json.value[FIELD]);
    if (context === null) return parseAgain(request, withoutField(json, []));
    if (principal.kind === 'sealedToken')
      throw invalidField(`${FIELD}.context`, 'must not be sent with a sealed token, which has no contexts');
    return this.withContext(json, context, principal, request);
  }

  private async withContext(
    json: JsonObject,
    context: string,
    principal: ChatPrincipal,
    request: FastifyRequest,
  ): Promise<JsonObject> {
    const messages = await this.contexts.promptOf(principal, context, request.bodyRoom);
    const plain = withoutField(json, messages);
    assertBounded(plain, request.server.bodies.bounds);
    return parseAgain(request, plain);
  }
}

function contextOf(value: unknown): string | null {
  if (value === null) return null;
  if (!isObject(value)) throw invalidField(FIELD, 'must be an object');
  const { context = null, ...others } = value;
  for (const [name, other] of Object.entries(others)) {
    if (other !== null) throw invalidField(`${FIELD}.${name.slice(0, 100)}`, 'is not served here; leave it out');
  }
  if (context !== null && typeof context !== 'string') throw invalidField(`${FIELD}.context`, 'must be a string');
  return context;
}

/** Every other value keeps its text. */
function withoutField({ text, fields }: JsonObject, messages: readonly object[]): Buffer {
  const kept = [...fields].flatMap(([name, { start, end }]) => {
    if (name === FIELD) return [];
    const value = text.slice(start, end);
    return [`${JSON.stringify(name)}:${name === 'messages' ? prepended(value, messages) : value}`];
  });
  return Buffer.from(`{${kept.join(',')}}`);
}

/** A value that is not a list is refused where the request is read. */
function prepended(list: string, items: readonly object[]): string {
  if (items.length === 0 || !list.startsWith('[')) return list;
  const own = list.slice(1, -1).trim();
  return `[${items.map((item) => JSON.stringify(item)).join(',')}${own === '' ? '' : ','}${own}]`;
}
