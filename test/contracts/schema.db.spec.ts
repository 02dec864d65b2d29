/** prisma/schema.prisma and prisma/migrations describe the same tables. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/postgres.js';

/** The part of Prisma's data model that is compared. */
interface DataModel {
  readonly models: readonly {
    readonly name: string;
    readonly dbName: string | null;
    /** Describes what Prisma's schema can't express: "`some_idx` is partial: WHERE …". */
    readonly documentation?: string;
    readonly fields: readonly Field[];
  }[];
  readonly indexes: readonly {
    readonly model: string;
    readonly type: 'id' | 'unique' | 'normal' | 'fulltext';
    readonly dbName?: string;
    readonly fields: readonly { readonly name: string; readonly sortOrder?: 'asc' | 'desc' }[];
  }[];
}

interface Field {
  readonly name: string;
  readonly dbName?: string;
  readonly kind: 'scalar' | 'object' | 'enum' | 'unsupported';
  readonly type: string;
  readonly nativeType: readonly [name: string, args: readonly string[]] | null;
  readonly isList: boolean;
  readonly isRequired: boolean;
  readonly default?: unknown;
  readonly relationFromFields?: readonly string[];
  readonly relationToFields?: readonly string[];
  readonly relationOnDelete?: string;
  readonly relationOnUpdate?: string;
}

/** Prisma's own reading of schema.prisma; its command line needs no database for it. */
function readDataModel(): DataModel {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-data-model-'));
  try {
    const schema = path.join(folder, 'schema.prisma');
    const output = path.join(folder, 'data-model.json');
    const models = readFileSync('prisma/schema.prisma', 'utf8').replace(/^generator \w+ \{[^}]*\}/gm, '');
    const provider = 'node test/contracts/data-model.generator.mjs';
    writeFileSync(
      schema,
      `${models}\ngenerator model {\n  provider = "${provider}"\n  output = ${JSON.stringify(output)}\n}\n`,
    );
    const { status, stderr } = spawnSync(
      process.execPath,
      ['node_modules/.bin/prisma', 'generate', '--schema', schema],
      {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '', CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' },
      },
    );
    if (status !== 0) throw new Error(`Prisma could not read the schema: ${stderr}`);
    return JSON.parse(readFileSync(output, 'utf8')) as DataModel;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// ---------------------------------------------------------------- what schema.prisma says, a line for each thing

const SQL_TYPES: Readonly<Record<string, string>> = {
  String: 'text',
  Int: 'integer',
  BigInt: 'bigint',
  Boolean: 'boolean',
  Bytes: 'bytea',
  Json: 'jsonb',
  Float: 'double precision',
  DateTime: 'timestamp(3) without time zone',
  // As @db.…
  'db.Uuid': 'uuid',
  'db.Text': 'text',
  'db.Date': 'date',
  'db.Inet': 'inet',
  'db.SmallInt': 'smallint',
  'db.Decimal': 'numeric',
  'db.VarChar': 'character varying(?)',
  'db.Char': 'character(?)',
  'db.Timestamptz': 'timestamp(?) with time zone',
};

function sqlTypeOf({ type, nativeType, isList }: Field): string {
  const name = nativeType === null ? type : `db.${nativeType[0]}`;
  const sqlType = SQL_TYPES[name];
  if (sqlType === undefined) throw new Error(`This test does not know Prisma's type ${name} yet: teach it.`);
  return sqlType.replace('?', nativeType?.[1][0] ?? '') + (isList ? '[]' : '');
}

/** The defaults of the database; those of Prisma's client (uuid() and the like) are not its concern. */
function sqlDefaultOf({ default: value, type }: Field): string {
  if (typeof value === 'string' && type === 'String') return ` DEFAULT '${value}'::text`;
  // A BigInt's default is a text, since JSON can't hold every one.
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return ` DEFAULT ${value}`;
  const { name, args } = (value ?? { name: '', args: [] }) as { name: string; args: readonly unknown[] };
  if (name === 'now') return ' DEFAULT CURRENT_TIMESTAMP';
  return name === 'dbgenerated' ? ` DEFAULT ${String(args[0])}` : '';
}

/** An index that Prisma can't express: its documentation describes it. */
const BY_EXPRESSION = /`(\w+)` is by an expression: (unique index|index) (.*)/g;

function linesOfSchema({ models, indexes }: DataModel): string[] {
  const lines: string[] = [];
  for (const model of models) {
    const table = model.dbName ?? model.name;
    const columnOf = (fields: readonly Field[], name: string): string => {
      const field = fields.find((other) => other.name === name);
      if (field === undefined) throw new Error(`${model.name} names ${name}, which is no field.`);
      return field.dbName ?? field.name;
    };
    for (const field of model.fields) {
      if (field.kind === 'object') {
        const { relationFromFields = [], relationToFields = [] } = field;
        if (relationFromFields.length === 0) continue;
        const target = models.find(({ name }) => name === field.type)!;
        const own = relationFromFields.map((name) => columnOf(model.fields, name));
        const theirs = relationToFields.map((name) => columnOf(target.fields, name));
        const onDelete = field.relationOnDelete ?? (field.isRequired ? 'Restrict' : 'SetNull');
        const actions = `ON DELETE ${spelled(onDelete)} ON UPDATE ${spelled(field.relationOnUpdate ?? 'Cascade')}`;
        lines.push(
          `${table}: foreign key (${own.join(', ')}) to ${target.dbName ?? target.name} (${theirs.join(', ')}) ${actions}`,
        );
      } else {
        // Prisma does not say whether a list may be null; it makes such columns nullable.
        const nullable = field.isRequired && !field.isList ? ' NOT NULL' : '';
        lines.push(
          `${table}.${columnOf(model.fields, field.name)} ${sqlTypeOf(field)}${nullable}${sqlDefaultOf(field)}`,
        );
      }
    }
    for (const index of indexes.filter((other) => other.model === model.name)) {
      const columns = index.fields.map(({ name }) => columnOf(model.fields, name));
      const sorted = columns.map((column, at) => (index.fields[at]?.sortOrder === 'desc' ? `${column} DESC` : column));
      const [kind, name] = {
        id: ['primary key', `${table}_pkey`],
        unique: ['unique index', `${table}_${columns.join('_')}_key`],
        normal: ['index', `${table}_${columns.join('_')}_idx`],
        fulltext: ['fulltext index', ''],
      }[index.type] as [string, string];
      const partial = new RegExp(`\`${index.dbName ?? name}\` is partial: (WHERE .*)`).exec(model.documentation ?? '');
      const where = partial === null ? '' : ` ${partial[1]}`;
      lines.push(`${table}: ${kind} ${index.dbName ?? name} (${sorted.join(', ')})${where}`);
    }
    for (const [, name, kind, what] of (model.documentation ?? '').matchAll(BY_EXPRESSION))
      lines.push(`${table}: ${kind} ${name} ${what}`);
  }
  return lines.sort();
}

const spelled = (action: string): string => action.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toUpperCase();

/** Columns of types that Prisma does not know. Its data model leaves them out, so they are read from the file. */
function linesOfUnsupported(): string[] {
  const models = readFileSync('prisma/schema.prisma', 'utf8').matchAll(/^model \w+ \{\n(.*?)^\}/gms);
  return [...models].flatMap(([, body = '']) => {
    const table = /@@map\("(\w+)"\)/.exec(body)?.[1] ?? '';
    const fields = body.matchAll(/^ +(\w+) +Unsupported\("(.+?)"\)(\??)/gm);
    return [...fields].map(([, name, type, optional]) => `${table}.${name} ${type}${optional ? '' : ' NOT NULL'}`);
  });
}

// ---------------------------------------------------------------- what the migrations made, in the same lines

/** The tables of applied migrations and functions. */
const BOOKS = "('_prisma_migrations', '_gatehouse_functions')";

const COLUMNS = `
  SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
      || CASE WHEN a.attnotnull AND format_type(a.atttypid, a.atttypmod) NOT LIKE '%[]' THEN ' NOT NULL' ELSE '' END
      || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated = ''
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ${BOOKS}`;

const INDEXES = `
  SELECT t.relname || ': '
      || CASE WHEN i.indisprimary THEN 'primary key' WHEN i.indisunique THEN 'unique index' ELSE 'index' END
      || ' ' || c.relname || ' ('
      || (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true)
                            || CASE i.indoption[k - 1] WHEN 0 THEN '' WHEN 3 THEN ' DESC' ELSE ' in an unusual order' END,
                            ', ' ORDER BY k)
          FROM generate_series(1, i.indnkeyatts) AS k)
      || ')'
      || CASE WHEN i.indnatts > i.indnkeyatts THEN ' with other columns included' ELSE '' END
      || CASE WHEN m.amname <> 'btree' THEN ' by ' || m.amname ELSE '' END
      || coalesce(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS line
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_am m ON m.oid = c.relam
  JOIN pg_class t ON t.oid = i.indrelid
  WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND t.relname NOT IN ${BOOKS}`;

const FOREIGN_KEYS = `
  SELECT t.relname || ': foreign key ('
      || (SELECT string_agg(a.attname, ', ' ORDER BY k.at)
          FROM unnest(o.conkey) WITH ORDINALITY AS k (attnum, at) JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum)
      || ') to ' || f.relname || ' ('
      || (SELECT string_agg(a.attname, ', ' ORDER BY k.at)
          FROM unnest(o.confkey) WITH ORDINALITY AS k (attnum, at) JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum)
      || ') ON DELETE ' || (actions ->> o.confdeltype::text) || ' ON UPDATE ' || (actions ->> o.confupdtype::text) AS line
  FROM pg_constraint o
  JOIN pg_class t ON t.oid = o.conrelid
  JOIN pg_class f ON f.oid = o.confrelid,
  jsonb_build_object('a', 'NO ACTION', 'r', 'RESTRICT', 'c', 'CASCADE', 'n', 'SET NULL', 'd', 'SET DEFAULT') AS actions
  WHERE o.contype = 'f' AND o.connamespace = 'public'::regnamespace`;

async function linesOfDatabase(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`${COLUMNS} UNION ALL ${INDEXES} UNION ALL ${FOREIGN_KEYS}`);
  return rows.map(({ line }) => line).sort();
}

describe('schema.prisma', () => {
  const fromSchema = [...linesOfSchema(readDataModel()), ...linesOfUnsupported()].sort();
  let database: TestDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createTestDatabase();
    client = new pg.Client(database.superuserUrl);
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('describes every table, column, type, default, key and index of the migrations, and no others', async () => {
    expect(fromSchema.length).toBeGreaterThan(50);
    expect(fromSchema).toEqual(await linesOfDatabase(client));
  });

  it('is compared with the database itself: a difference on either side shows', async () => {
    await client.query('BEGIN');
    await client.query(`
      ALTER TABLE api_keys ADD COLUMN extra text, DROP COLUMN description, ALTER COLUMN name DROP NOT NULL;
      ALTER TABLE usage_records ALTER COLUMN latency_ms TYPE bigint;
      ALTER TABLE tenants DROP CONSTRAINT tenants_org_id_fkey;
      DROP INDEX memberships_user_id_idx;
      CREATE INDEX orgs_name_idx ON orgs (name) WHERE name <> '';
      CREATE TABLE notes (id text PRIMARY KEY);
    `);
    const fromDatabase = await linesOfDatabase(client);
    await client.query('ROLLBACK');

    expect(fromSchema.filter((line) => !fromDatabase.includes(line))).toEqual([
      "api_keys.description text NOT NULL DEFAULT ''::text",
      'api_keys.name text NOT NULL',
      'memberships: index memberships_user_id_idx (user_id)',
      'tenants: foreign key (org_id) to orgs (id) ON DELETE RESTRICT ON UPDATE CASCADE',
      'usage_records.latency_ms integer',
    ]);
    expect(fromDatabase.filter((line) => !fromSchema.includes(line))).toEqual([
      'api_keys.extra text',
      'api_keys.name text',
      'notes.id text NOT NULL',
      'notes: primary key notes_pkey (id)',
      "orgs: index orgs_name_idx (name) WHERE (name <> ''::text)",
      'usage_records.latency_ms bigint',
    ]);
  });
});
