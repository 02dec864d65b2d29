export { DataKeyRewrap } from './data-key-rewrap.js';
export { EncryptionModule } from './encryption.module.js';
export { rewrapAll, type Rewrapped } from './rewrapping.js';
export { jsonBytes, TenantCipher } from './tenant-cipher.js';
