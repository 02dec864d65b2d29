export { DevelopmentIssuer } from './development-issuer.js';
export { loadDevelopmentSecrets } from './development-secrets.js';
export { findRunningPostgres, startEmbeddedPostgres } from './embedded/embedded-postgres.js';
export { readQuickstart } from './quickstart-file.js';
export { loadServiceParts } from './service-parts.js';
export { tokenFor, WrongTokenOptions } from './token-command.js';
