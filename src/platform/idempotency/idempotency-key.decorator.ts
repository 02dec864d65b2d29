import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { invalidField } from '../errors/index.js';

const HEADER = 'idempotency-key';
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

/** The request's Idempotency-Key; null: none. */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext): string | null => {
  const key = context.switchToHttp().getRequest<FastifyRequest>().headers[HEADER];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !PLAIN.test(key)) throw invalidField(HEADER, 'must be 1 to 255 printable characters');
  return key;
});
