export { compositeText } from './composite.js';
export { Database, isCanceled, isLockTimeout, type NamedStatement, type TenantTransaction } from './database.js';
export { DatabaseModule } from './database.module.js';
export { GroupCommit } from './group-commit.js';
export { KnownSecrets } from './known-secrets.js';
export { migrate } from './migrations.js';
export { RevocableCache } from './revocable-cache.js';
export { Revocations } from './revocations.js';
export { Prisma } from '../../generated/prisma/client.js';
