export { ApiKeyDirectory } from './api-key.directory.js';
export { isSecretKey } from './key-format.js';
export { KeyModels } from './key-models.js';
export { KeysModule } from './keys.module.js';
export { rateThatHolds } from './rate-ceiling.js';
export { KeysService, plainly } from './keys.service.js';
