export { DevelopmentIssuer } from './development-issuer.js';
export { loadDevelopmentSecrets } from './development-secrets.js';
export { developmentParts } from './development.module.js';
export { quickstart } from './quickstart.js';
export { readQuickstart } from './quickstart-file.js';
export { findRunningPostgres, startEmbeddedPostgres } from './embedded/embedded-postgres.js';
export { tokenFor } from './token-command.js';
