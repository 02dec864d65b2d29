/** A room owns its tables: statements of other rooms do not name them, except for the listed exceptions. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { EXCEPTIONS, TABLES } from './table-owners.js';

interface Model {
  readonly table: string;
  /** The model of each relation field. */
  readonly relations: ReadonlyMap<string, string>;
}

/** The models of schema.prisma, by their names in Prisma's client. */
function readModels(schema: string): ReadonlyMap<string, Model> {
  const texts = [...schema.matchAll(/^model (\w+) \{(.*?)^\}/gms)].map(([, name = '', body = '']) => ({ name, body }));
  const names = new Set(texts.map(({ name }) => name));
  const clientName = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
  return new Map(
    texts.map(({ name, body }) => {
      const fields = [...body.matchAll(/^\s+(\w+)\s+(\w+)/gm)].filter(([, , type = '']) => names.has(type));
      const relations = new Map(fields.map(([, field = '', type = '']) => [field, clientName(type)]));
      return [clientName(name), { table: /@@map\("(\w+)"\)/.exec(body)?.[1] ?? name, relations }];
    }),
  );
}

const MODELS = readModels(readFileSync('prisma/schema.prisma', 'utf8'));
const KNOWN_TABLES = new Set([...MODELS.values()].map(({ table }) => table));
const IN_SQL = /\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?:ONLY\s+)?"?([a-z_]+)\b(?!\s*\()/g;
const PRISMA_METHOD = /^(?:find|create|update|delete|upsert|count|aggregate|groupBy)/;

/** The tables that a source names, in its SQL or by Prisma's models, including relations within a call. */
function tablesIn(source: string): string[] {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true);
  const found = new Set<string>();
  const constants = new Map<string, ts.Expression>();
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations)
      if (ts.isIdentifier(name) && initializer !== undefined) constants.set(name.text, initializer);
  }

  const readArguments = (node: ts.Node, model: Model): void => {
    if (ts.isIdentifier(node)) {
      const constant = constants.get(node.text);
      if (constant !== undefined) readArguments(constant, model);
    } else if (ts.isShorthandPropertyAssignment(node)) {
      readArguments(node.name, model);
    } else if (ts.isPropertyAssignment(node)) {
      const relation = MODELS.get(model.relations.get(node.name.getText()) ?? '');
      if (relation !== undefined) found.add(relation.table);
      readArguments(node.initializer, relation ?? model);
    } else {
      ts.forEachChild(node, (child) => readArguments(child, model));
    }
  };

  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      for (const [, table = ''] of node.text.matchAll(IN_SQL)) if (KNOWN_TABLES.has(table)) found.add(table);
    }
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { expression: target, name } = node.expression;
      const model = ts.isPropertyAccessExpression(target) ? MODELS.get(target.name.text) : undefined;
      if (model !== undefined && PRISMA_METHOD.test(name.text)) {
        found.add(model.table);
        for (const argument of node.arguments) readArguments(argument, model);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return [...found].sort();
}

function roomOf(file: string): string | undefined {
  return Object.keys(TABLES)
    .filter((room) => file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** The tables of other rooms that a file names. */
function foreignTablesIn(file: string, source: string): string[] {
  const own = TABLES[roomOf(file) ?? ''] ?? [];
  return tablesIn(source).filter((table) => !own.includes(table));
}

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((name) => path.posix.join('src', name.replaceAll(path.sep, '/')))
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts') && !name.startsWith('src/generated/'));

it('every table has one owner', () => {
  const owned = Object.values(TABLES).flat();
  expect([...owned].sort()).toEqual([...KNOWN_TABLES].sort());
});

it('no room names a table of another, except the listed exceptions, each of which is needed', () => {
  const foreign = SOURCES.map((file) => ({ file, tables: foreignTablesIn(file, readFileSync(file, 'utf8')) }));
  const excepted = EXCEPTIONS.map(({ file, tables }) => ({ file, tables: [...tables].sort() }));
  const byFile = (a: { file: string }, b: { file: string }): number => (a.file < b.file ? -1 : 1);
  expect(foreign.filter(({ tables }) => tables.length > 0).sort(byFile)).toEqual(excepted.sort(byFile));
});

/* eslint-disable no-template-curly-in-string -- these strings are sources, whose templates are what is tested */
describe('what a source names', () => {
  it.each<[string, string[], string]>([
    ['a statement', ['api_keys'], "const FIND = { text: 'SELECT * FROM api_keys k' };"],
    [
      'a join in a template',
      ['humans', 'usage_records'],
      'const q = `SELECT 1 FROM usage_records r JOIN humans h ON ${on}`;',
    ],
    ['text after an insertion', ['tenants'], 'const q = `${head} UPDATE tenants SET name = $1`;'],
    ['a tagged template', ['orgs'], 'const q = tx.$queryRaw`DELETE FROM ONLY orgs`;'],
    ['a model', ['api_keys'], 'await keys.tx.apiKey.findMany({});'],
    ['a relation in a call', ['memberships', 'users'], 'tx.membership.findMany({ include: { user: true } });'],
    [
      'a relation in a constant',
      ['memberships', 'users'],
      'const WITH = { user: true }; tx.membership.findMany({ include: WITH });',
    ],
    ['a column that has a relation’s name elsewhere', ['humans'], "tx.human.findFirst({ where: { human: 'a' } });"],
    ['a function of the database', [], "const FIND = 'SELECT * FROM find_api_key($1)';"],
    ['a comment', [], '// SELECT * FROM api_keys'],
    ['an error in words', [], "throw new Error('nothing came from tenants');"],
  ])('%s: %j', (_what, tables, source) => {
    expect(tablesIn(source)).toEqual(tables);
  });

  it('a table is foreign only outside its room', () => {
    const source = "const FIND = 'SELECT * FROM usage_tokens';";
    expect(foreignTablesIn('src/usage/tokens/a.ts', source)).toEqual([]);
    expect(foreignTablesIn('src/usage/ledger/a.ts', source)).toEqual(['usage_tokens']);
    expect(foreignTablesIn('src/llm/chat/a.ts', source)).toEqual(['usage_tokens']);
  });
});
