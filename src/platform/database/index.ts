export { Database, asFault, isCanceled, type NamedStatement, type TenantTransaction } from './database.js';
export { DatabaseModule } from './database.module.js';
export { EmbeddedPostgresError } from './embedded/embedded-postgres.error.js';
export { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded/embedded-postgres.js';
export { GroupCommit } from './group-commit.js';
export { MigrationError, migrate } from './migrations.js';
export { RevocableCache } from './revocable-cache.js';
export { Revocations } from './revocations.js';
export { Prisma } from '../../generated/prisma/client.js';
