import { defineConfig } from 'prisma/config';

// `prisma generate` asks for a native schema engine that it never runs, and would download it. Any existing
// file satisfies the question, so an install without that download works. `prisma migrate` does run the
// engine: whoever uses it sets the variable, or unsets it and lets Prisma fetch its own.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  ...(process.env.DATABASE_URL === undefined ? {} : { datasource: { url: process.env.DATABASE_URL } }),
});
