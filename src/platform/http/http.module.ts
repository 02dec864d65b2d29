import { Global, Module } from '@nestjs/common';
import { Drain } from './drain.js';
import { PageTokens } from './page-tokens.js';

@Global()
@Module({ providers: [Drain, PageTokens], exports: [Drain, PageTokens] })
export class HttpModule {}
