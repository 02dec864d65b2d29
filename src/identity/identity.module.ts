import { Global, Module } from '@nestjs/common';
import { CredentialStrategies } from './credential-strategies.js';

/** Every feature registers its strategies here; the guards themselves are put in order by the composition root. */
@Global()
@Module({ providers: [CredentialStrategies], exports: [CredentialStrategies] })
export class IdentityModule {}
