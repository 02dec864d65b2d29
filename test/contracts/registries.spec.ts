/**
 * The registries of error codes, webhook events and audit actions, from which docs/errors.md, docs/events.md and OpenAPI are
 * generated, name exactly what the sources use.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import {
  ANSWER_CODES,
  CREDENTIAL_CODES,
  ERROR_CODES,
  FAULT_GUIDE,
  FAULT_STATUS,
  RUN_CODES,
} from '../../src/platform/errors/index.js';
import { AUDIT_EVENTS } from '../../src/platform/events/index.js';
import { WEBHOOK_EVENTS } from '../../src/webhooks/event-types.js';

const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.endsWith('.spec.ts') && !name.startsWith('generated'))
    .map((name) => path.join(folder, name));

const REGISTRIES = new Set([
  'src/platform/errors/error-codes.ts',
  'src/platform/errors/fault-kinds.ts',
  'src/platform/errors/fault-guide.ts',
  'src/platform/errors/credential-codes.ts',
  'src/platform/events/audit-events.ts',
  'src/webhooks/event-types.ts',
]);

interface Thrown {
  readonly kind: string;
  readonly code: string;
  readonly at: string;
}

/** The string literals of the sources, and the pairs of kind and code that faults are made with. */
const literals = new Set<string>();
const thrown: Thrown[] = [];
for (const file of filesOf('src', '.ts')) {
  if (REGISTRIES.has(file)) continue;
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ESNext, true);
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) literals.add(node.text);
    if (ts.isTemplateExpression(node)) literals.add(node.head.text);
    const fault = faultOf(node);
    if (fault !== null) thrown.push({ ...fault, at: file });
    ts.forEachChild(node, visit);
  };
  visit(source);
}

/** `new Fault('kind', message, { code: 'code' })` and `invalidField(field, reason, 'code')`. */
function faultOf(node: ts.Node): Omit<Thrown, 'at'> | null {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Fault') {
    const [kind, , options] = node.arguments ?? [];
    if (kind === undefined || !ts.isStringLiteral(kind) || options === undefined) return null;
    if (!ts.isObjectLiteralExpression(options)) return null;
    const code = options.properties.find((property) => property.name?.getText() === 'code');
    if (code === undefined || !ts.isPropertyAssignment(code) || !ts.isStringLiteral(code.initializer)) return null;
    return { kind: kind.text, code: code.initializer.text };
  }
  if (ts.isCallExpression(node) && node.expression.getText() === 'invalidField') {
    const code = node.arguments[2];
    if (code !== undefined && ts.isStringLiteral(code)) return { kind: 'invalid_input', code: code.text };
  }
  return null;
}

const functions = filesOf('prisma/functions', '.sql').map((file) => readFileSync(file, 'utf8'));
const unused = (names: readonly string[]): string[] =>
  names.filter((name) => !literals.has(name) && !functions.some((source) => source.includes(`'${name}'`)));

describe('the registry of error codes', () => {
  it('has every code that a fault uses, with its kind', () => {
    expect(thrown.length).toBeGreaterThan(20);
    const kinds: Readonly<Record<string, { readonly kinds: readonly string[] }>> = ERROR_CODES;
    const strange = thrown.filter(({ code, kind }) => kinds[code]?.kinds.includes(kind) !== true);
    expect(strange).toEqual([]);
  });

  it('has no unused code or kind', () => {
    const names = [ERROR_CODES, ANSWER_CODES, RUN_CODES, CREDENTIAL_CODES, FAULT_STATUS].flatMap(Object.keys);
    expect(unused(names)).toEqual([]);
    // The one code that is not a literal where it is thrown.
    const passed = new Set(['unsupported_by_provider']);
    const pairs = new Set(thrown.map(({ kind, code }) => `${code} as ${kind}`));
    const idle = Object.entries(ERROR_CODES)
      .filter(([code]) => !passed.has(code))
      .flatMap(([code, { kinds }]) => kinds.map((kind) => `${code} as ${kind}`))
      .filter((pair) => !pairs.has(pair));
    expect(idle).toEqual([]);
  });

  it('has every code that the database sets on a run', () => {
    const codes = functions.flatMap((source) =>
      [...source.matchAll(/error_code = CASE[\s\S]*?END/g)].flatMap(([text]) => [...text.matchAll(/'([a-z_]+)'/g)]),
    );
    expect(codes.map(([, code]) => code).filter((code) => code !== undefined && !(code in RUN_CODES))).toEqual([]);
    expect(codes.length).toBeGreaterThan(0);
  });

  it('says of each kind what it means and what to do, in sentences', () => {
    const unsaid = Object.entries(FAULT_GUIDE).filter(
      ([, { meaning, remedy }]) => !/^[A-Z].*\.$/s.test(meaning) || !/^[A-Z].*\.$/s.test(remedy),
    );
    expect(unsaid).toEqual([]);
  });

  it('says of each code what it means and what to do', () => {
    const entries = [ERROR_CODES, ANSWER_CODES, RUN_CODES].flatMap((registry) =>
      Object.entries<{ readonly meaning: string; readonly remedy: string }>(registry),
    );
    const silent = entries.filter(([, { meaning, remedy }]) => !meaning.endsWith('.') || !remedy.endsWith('.'));
    expect(silent).toEqual([]);
  });
});

describe('the registry of audit actions', () => {
  const actions = Object.keys(AUDIT_EVENTS);

  it('has no action that is never written', () => {
    // Some names are composed of a resource's name and the verb.
    const isMade = (action: string): boolean => literals.has(`${action.split('.')[0]}.`);
    expect(unused(actions).filter((action) => !isMade(action))).toEqual([]);
  });

  it('has every action that the database writes', () => {
    const written = functions.flatMap((source) =>
      [...source.matchAll(/INSERT INTO audit_events[\s\S]*?;/g)].flatMap(([text]) => [
        ...text.matchAll(/'([a-z_]+\.[a-z_]+)'/g),
      ]),
    );
    expect(written.length).toBeGreaterThan(2);
    expect(written.map(([, action]) => action).filter((action) => !actions.includes(action!))).toEqual([]);
  });
});

describe('the registry of webhook events', () => {
  const types = Object.keys(WEBHOOK_EVENTS);

  it('has no event that is never sent', () => {
    expect(unused(types)).toEqual([]);
  });

  it('has every event that the database sends', () => {
    const sent = functions.flatMap((source) =>
      [...source.matchAll(/(?:tell_webhooks|enqueue_webhook_event)\([\s\S]*?;/g)].flatMap(([text]) => [
        ...text.matchAll(/'((?:usage|run|member)\.[a-z_]+)'/g),
      ]),
    );
    expect(sent.length).toBeGreaterThan(3);
    expect(sent.map(([, type]) => type).filter((type) => !types.includes(type!))).toEqual([]);
  });
});

it('the generated pages name every entry', () => {
  const errors = readFileSync('docs/errors.md', 'utf8');
  const events = readFileSync('docs/events.md', 'utf8');
  const codes = [ERROR_CODES, ANSWER_CODES, RUN_CODES, CREDENTIAL_CODES].flatMap(Object.keys);
  expect(codes.filter((code) => !errors.includes(`\`${code}\``))).toEqual([]);
  expect(Object.keys(AUDIT_EVENTS).filter((action) => !events.includes(`\`${action}\``))).toEqual([]);
  expect(Object.keys(WEBHOOK_EVENTS).filter((type) => !events.includes(`### ${type}\n`))).toEqual([]);
});
