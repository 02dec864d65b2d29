import { Global, Module } from '@nestjs/common';
import { OutboundHttp } from './outbound.js';

@Global()
@Module({ providers: [OutboundHttp], exports: [OutboundHttp] })
export class OutboundModule {}
