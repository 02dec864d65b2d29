export { DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, DevelopmentIssuer } from './development-issuer.js';
export { loadDevelopmentSecrets, type DevelopmentSecrets } from './development-secrets.js';
export { developmentParts } from './development.module.js';
export { quickstart } from './quickstart.js';
export { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded/embedded-postgres.js';
