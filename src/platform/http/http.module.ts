import { Global, Module } from '@nestjs/common';
import { Dialects } from './dialects.js';
import { Drain } from './drain.js';
import { PageTokens } from './page-tokens.js';

@Global()
@Module({ providers: [Dialects, Drain, PageTokens], exports: [Dialects, Drain, PageTokens] })
export class HttpModule {}
