export { ApiKeyDirectory } from './api-key.directory.js';
export { isSecretKey } from './key-format.js';
export { KeysModule } from './keys.module.js';
export { KeysService, plainly, type Around } from './keys.service.js';
