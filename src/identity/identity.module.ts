import { Global, Module } from '@nestjs/common';
import { CredentialStrategies } from './credential-strategies.js';
import { FailedAuthenticationLog } from './failed-authentication-log.js';

/** Every feature registers its strategies here; the guards themselves are put in order by the composition root. */
@Global()
@Module({
  providers: [CredentialStrategies, FailedAuthenticationLog],
  exports: [CredentialStrategies, FailedAuthenticationLog],
})
export class IdentityModule {}
