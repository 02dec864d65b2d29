export { EncryptionModule } from './encryption.module.js';
export { TenantCipher, type RowPlace } from './tenant-cipher.js';
