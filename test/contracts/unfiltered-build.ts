/** The service built without its repositories' own tenant filters, so that only row-level security protects it. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { transformSync, type Options } from '@swc/core';
import ts from 'typescript';
import { bringBuildUpToDate } from '../support/service.js';

const ROOT = process.cwd();
/** The fields that repositories filter by: an org's people manage all of its tenants. */
const FILTERS: readonly string[] = ['tenantId', 'orgId'];
/** The same filter in a hand-written statement. */
const SQL_FILTER = /\b\w+\.(?:tenant_id = \$\{tenantId\}|tenant_id IS NULL|org_id = current_org_id\(\))/g;
/** The same filter where the tenant is the statement's first parameter, which stays in use. */
const SQL_PARAMETER = /\b\w+\.tenant_id = \$1\b/g;
/** An org's own row is found by its id, which is the filter. */
const BY_OWN_ID: readonly string[] = ['orgs/orgs.repository.ts'];

export interface UnfilteredBuild {
  /** The path of its main.js. */
  readonly main: string;
  /** The number of filters that were removed from each source file. */
  readonly stripped: Readonly<Record<string, number>>;
  remove(): void;
}

/**
 * Copies dist/, and rebuilds every file that reads rows in a tenant's transaction from its source, without the tenant and the
 * org in `where` clauses.
 *
 * @throws Error where such a file has no filter to remove, or keeps one: the transformation no longer works
 */
export function buildUnfiltered(): UnfilteredBuild {
  bringBuildUpToDate();
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-unfiltered-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    cpSync(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
    for (const name of ['node_modules', 'prisma', 'package.json'])
      symlinkSync(path.join(ROOT, name), path.join(folder, name));
    const options = JSON.parse(readFileSync(path.join(ROOT, '.swcrc'), 'utf8')) as Options;
    const stripped: Record<string, number> = {};
    for (const source of repositories()) {
      const { code, count } = withoutTenantFilters(sourceOf(source));
      if (count === 0 && BY_OWN_ID.includes(source)) continue;
      if (count === 0) throw new Error(`${source} has no tenant filter to take out.`);
      const built = path.join(folder, 'dist', source.replace(/\.ts$/, '.js'));
      if (!existsSync(built)) throw new Error(`dist/ has no build of ${source}.`);
      writeFileSync(built, transformSync(code, { ...options, swcrc: false, filename: source }).code);
      stripped[source] = count;
    }
    if (Object.keys(stripped).length === 0) throw new Error("Nothing asks for a tenant's transaction.");
    return { main: path.join(folder, 'dist', 'main.js'), stripped, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function repositories(): string[] {
  return readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.startsWith('generated'))
    .filter((file) => /\b(?:tx|transaction)\.\w+\s*\.\w+\(/.test(sourceOf(file)) && /\bwhere\b/.test(sourceOf(file)))
    .sort();
}

const sourceOf = (file: string): string => readFileSync(path.join(ROOT, 'src', file), 'utf8');

/**
 * Removes the filters from each `where` of a source: a property of that name, or a variable of such a type. In SQL statements
 * they become true.
 */
export function withoutTenantFilters(source: string): { code: string; count: number } {
  const cuts: { from: number; to: number }[] = [];
  const visit = (node: ts.Node, inWhere: boolean, file: ts.SourceFile): void => {
    const entersWhere =
      (ts.isPropertyAssignment(node) && node.name.getText(file) === 'where') ||
      (ts.isVariableDeclaration(node) && /WhereInput\b/.test(node.type?.getText(file) ?? ''));
    const within = inWhere || entersWhere;
    if (within && ts.isObjectLiteralExpression(node)) {
      node.properties.forEach((property, index) => {
        if (!FILTERS.includes(property.name?.getText(file) ?? '')) return;
        const next = node.properties[index + 1];
        cuts.push({ from: property.getFullStart(), to: next === undefined ? property.end : next.getFullStart() });
      });
    }
    ts.forEachChild(node, (child) => visit(child, within, file));
  };
  const parse = (text: string): ts.SourceFile =>
    ts.createSourceFile('repository.ts', text, ts.ScriptTarget.ESNext, true);
  const file = parse(source);
  visit(file, false, file);
  const code = cuts
    .toSorted((one, other) => other.from - one.from)
    .reduce((text, { from, to }) => text.slice(0, from) + text.slice(to), source);
  const left = parse(code);
  const count = cuts.length + [...code.matchAll(SQL_FILTER), ...code.matchAll(SQL_PARAMETER)].length;
  cuts.length = 0;
  visit(left, false, left);
  if (cuts.length > 0) throw new Error('A tenant filter is left.');
  return { code: code.replace(SQL_FILTER, 'true').replace(SQL_PARAMETER, () => '$1::text IS NOT NULL'), count };
}
