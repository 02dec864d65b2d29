import { All, Controller, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Public } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { SpeaksDialect, dialectOfPath, pathOf } from '../platform/http/index.js';

const REASON = 'There is nothing here; a caller who is recognised is counted and told so all the same.';

function nothingHere(request: FastifyRequest): never {
  request.dialect = dialectOfPath(request.url);
  throw new Fault('not_found', `There is no ${request.method} ${pathOf(request.url)}.`);
}

/** An unknown path answers in the dialect of its prefix's owner. */
@ApiExcludeController()
@SpeaksDialect('openai')
@Controller('v1')
export class UnknownOpenaiPathController {
  @All(['', '*'])
  @Public(REASON, { recognises: true })
  unknown(@Req() request: FastifyRequest): never {
    return nothingHere(request);
  }
}

@ApiExcludeController()
@SpeaksDialect('platform')
@Controller()
export class UnknownPathController {
  @All(['', '*'])
  @Public(REASON, { recognises: true })
  unknown(@Req() request: FastifyRequest): never {
    return nothingHere(request);
  }
}
