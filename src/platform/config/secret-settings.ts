import { z } from 'zod';
import { encryptionKeys, group, peppers } from './setting-definition.js';

const secrets = group('Secrets').define;

/** Secrets that every replica shares and that must stay within the service. */
export const SECRET_SETTINGS = {
  peppers: secrets(
    'GATEHOUSE_PEPPERS',
    peppers,
    'Secrets that API keys are hashed with: `version:secret` pairs separated by commas, the one for new keys first, each secret at least ' +
      '32 bytes in base64url. To rotate, add one of a higher version behind, deploy, and put it in front; keys move to it as they are used.',
    { requiredInProduction: true, secret: true },
  ),
  encryptionKeys: secrets(
    'GATEHOUSE_ENCRYPTION_KEYS',
    encryptionKeys,
    'Keys that stored secrets are encrypted with: `version:secret` pairs separated by commas, the one for new secrets first, each ' +
      'secret exactly 32 bytes in base64url. To rotate, add one of a higher version behind, deploy, and put it in front; what is ' +
      'stored moves to it within `GATEHOUSE_WEBHOOK_PRUNE_SECONDS`, or by `npm run rotate-keys`, and only then may the old one go.',
    { requiredInProduction: true, secret: true },
  ),
  signingKeys: secrets(
    'GATEHOUSE_SIGNING_KEYS',
    z.string().min(1),
    'Private keys (PEM, PKCS#8, EC P-256) that sign what the platform issues: the first signs, all verify. Several stand ' +
      'one after the other. `\\n` stands for a line break.',
    { requiredInProduction: true, secret: true },
  ),
} as const;
