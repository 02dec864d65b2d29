import { Global, Module } from '@nestjs/common';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { EncryptionKeyRing } from './encryption-key-ring.js';
import { PepperRing } from './pepper.js';
import { SigningKeyRing } from './signing-key-ring.js';
import { parseSigningKeys } from './signing-keys.js';

@Global()
@Module({
  providers: [
    { provide: PepperRing, inject: [SETTINGS_TOKEN], useFactory: ({ peppers }: Settings) => new PepperRing(peppers) },
    {
      provide: EncryptionKeyRing,
      inject: [SETTINGS_TOKEN],
      useFactory: ({ encryptionKeys }: Settings) => new EncryptionKeyRing(encryptionKeys),
    },
    {
      provide: SigningKeyRing,
      inject: [SETTINGS_TOKEN],
      useFactory: ({ signingKeys }: Settings) => new SigningKeyRing(parseSigningKeys(signingKeys)),
    },
  ],
  exports: [PepperRing, EncryptionKeyRing, SigningKeyRing],
})
export class CryptoModule {}
