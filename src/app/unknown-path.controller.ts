import { All, Controller, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Public } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { OWNER_OF_PATH, SpeaksDialect, pathOf } from '../platform/http/index.js';

/** Every path that no other controller serves: it answers in the dialect of its prefix's owner. */
@ApiExcludeController()
@SpeaksDialect(OWNER_OF_PATH)
@Controller()
export class UnknownPathController {
  @All(['', '*'])
  @Public('There is nothing here; a caller who is recognised is still counted, and told so.', {
    recognises: true,
  })
  unknown(@Req() request: FastifyRequest): never {
    throw new Fault('not_found', `There is no ${request.method} ${pathOf(request.url)}.`);
  }
}
