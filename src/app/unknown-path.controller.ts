import { All, Controller, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { OWNER_OF_PATH, SpeaksDialect, pathOf } from '../platform/http/index.js';
import { ServedMethods } from './served-methods.js';

/** Every request that no other controller serves. It answers in the dialect of the path's controller, or its prefix's owner. */
@ApiExcludeController()
@SpeaksDialect(OWNER_OF_PATH)
@Controller()
export class UnknownPathController {
  constructor(private readonly served: ServedMethods) {}

  @All(['', '*'])
  @Public('There is nothing here; a caller who is recognised is still counted, and told so.', {
    recognises: true,
  })
  unknown(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): never {
    const path = pathOf(request.url);
    const served = this.served.find(path);
    if (served === null)
      throw new Fault('not_found', `No route matches ${request.method} ${path}. /openapi.json lists the routes.`);
    request.dialect = served.dialect;
    reply.header('allow', served.methods.join(', '));
    throw new Fault(
      'method_not_allowed',
      `${path} does not allow ${request.method}. Send ${served.methods.join(' or ')}.`,
    );
  }
}
