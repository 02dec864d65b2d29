import { Global, Module } from '@nestjs/common';
import { Database } from './database.js';
import { Revocations } from './revocations.js';

@Global()
@Module({ providers: [Database, Revocations], exports: [Database, Revocations] })
export class DatabaseModule {}
