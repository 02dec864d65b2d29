import { Global, Module } from '@nestjs/common';
import { Drain } from './drain.js';
import { PageTokens } from './page-tokens.js';
import { RequestBodies } from './request-bodies.js';

@Global()
@Module({ providers: [Drain, PageTokens, RequestBodies], exports: [Drain, PageTokens, RequestBodies] })
export class HttpModule {}
