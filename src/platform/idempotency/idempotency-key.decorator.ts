import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { invalidField } from '../errors/index.js';

const HEADER = 'idempotency-key';
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

const readIdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext): string | null => {
  const key = context.switchToHttp().getRequest<FastifyRequest>().headers[HEADER];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !PLAIN.test(key)) throw invalidField(HEADER, 'must be 1 to 255 printable characters');
  return key;
});

/** The request's Idempotency-Key, described in OpenAPI; null: none. */
export const IdempotencyKey = (): ParameterDecorator => (target, key, index) => {
  if (key === undefined) throw new TypeError('A constructor has no headers.');
  const descriptor = Object.getOwnPropertyDescriptor(target, key);
  if (descriptor !== undefined) {
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        'Makes the request safe to repeat for 24 hours. The same key with another body is refused with 409. A repeat shows no secret again.',
      schema: { type: 'string', minLength: 1, maxLength: 255 },
    })(target, key, descriptor);
  }
  readIdempotencyKey()(target, key, index);
};
