import { Global, Module } from '@nestjs/common';
import { Dialects } from './dialects.js';
import { Drain } from './drain.js';
import { PacedRefusals } from './paced-refusals.js';
import { PageTokens } from './page-tokens.js';
import { RequestBodies } from './request-bodies.js';

const PROVIDERS = [Dialects, Drain, PacedRefusals, PageTokens, RequestBodies];

@Global()
@Module({ providers: PROVIDERS, exports: PROVIDERS })
export class HttpModule {}
