import { Global, Module } from '@nestjs/common';
import { Drain } from './drain.js';
import { OutboundHttp } from './outbound.js';
import { PageTokens } from './page-tokens.js';

@Global()
@Module({ providers: [Drain, OutboundHttp, PageTokens], exports: [Drain, OutboundHttp, PageTokens] })
export class HttpModule {}
