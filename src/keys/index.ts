export { ApiKeyDirectory } from './api-key.directory.js';
export { moveToCurrentPepper } from './current-pepper.js';
export { isSecretKey, isTokenOf, newToken } from './key-format.js';
export { KeyModels } from './key-models.js';
export { LastUses } from './last-uses.js';
export { KeysModule } from './keys.module.js';
export { findPepperProblems } from './pepper-check.js';
export { rateThatHolds } from './rate-ceiling.js';
export { KeysService, plainly } from './keys.service.js';
