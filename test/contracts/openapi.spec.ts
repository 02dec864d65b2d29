/**
 * docs/openapi.json for those who generate clients from it: it keeps what was released, passes a public linter, and gives
 * TypeScript types for bodies and errors by two generators. (access.snapshot.spec.ts checks that it is the document that the
 * service serves.)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { DECLARED_BREAKS } from './declared-breaks.js';
import { promisesOf } from './openapi-promises.js';

const RELEASED = 'test/contracts/openapi.released.snapshot.json';
const document = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as Parameters<typeof promisesOf>[0];
const isDeclared = (promise: string): boolean => DECLARED_BREAKS.some((declared) => declared.promise.test(promise));

describe('a change of the API', () => {
  const promises = promisesOf(document);
  if (process.env['UPDATE_CONTRACTS'] === '1') {
    const before = existsSync(RELEASED) ? (JSON.parse(readFileSync(RELEASED, 'utf8')) as string[]) : [];
    const kept = before.filter((promise) => !isDeclared(promise));
    writeFileSync(RELEASED, `${JSON.stringify([...new Set([...kept, ...promises])].sort(), null, 1)}\n`);
  }
  const released = JSON.parse(readFileSync(RELEASED, 'utf8')) as string[];

  it('breaks no client, unless test/contracts/declared-breaks.ts declares it', () => {
    const known = new Set(promises);
    expect(released.filter((promise) => !known.has(promise) && !isDeclared(promise))).toEqual([]);
  });

  it('that adds something is promised from then on: UPDATE_CONTRACTS=1 records it', () => {
    const known = new Set(released);
    expect(promises.filter((promise) => !known.has(promise))).toEqual([]);
  });

  it('is reported where a field is removed, a request needs more, or a value is no longer accepted', () => {
    const changed = (change: (copy: typeof document) => unknown): string[] => {
      const copy = structuredClone(document);
      change(copy);
      const left = new Set(promisesOf(copy));
      return promises.filter((promise) => !left.has(promise));
    };
    const schema = (copy: typeof document, name: string) =>
      copy.components!.schemas![name] as { required: string[]; properties: Record<string, { enum: string[] }> };
    const SET = 'POST /api/v1/budgets/set takes body';
    expect(changed((copy) => Reflect.deleteProperty(schema(copy, 'Budget').properties, 'used'))).toContain(
      'POST /api/v1/budgets/set answers application/json.budget.used (always)',
    );
    expect(changed((copy) => schema(copy, 'BudgetsSetRequest').required.push('models'))).toEqual([
      `${SET} needs: holder, limit, period, type`,
    ]);
    expect(changed((copy) => schema(copy, 'BudgetsSetRequest').properties['period']!.enum.splice(0, 1))).toEqual([
      `${SET}.period: "NONE" is accepted`,
    ]);
    expect(changed((copy) => Reflect.deleteProperty(copy.paths, '/v1/models'))).not.toEqual([]);
  });
});

describe('docs/openapi.json', () => {
  const run = (script: string): { status: number | null; said: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    return { status, said: stdout + stderr };
  };

  it('passes the rules that Redocly recommends', () => {
    expect(run('test/contracts/openapi-lint.mjs')).toEqual({ status: 0, said: '' });
  });

  it('gives openapi-typescript and openapi-ts types of bodies and errors with which a client compiles', () => {
    expect(run('test/contracts/typed-clients.mjs')).toEqual({ status: 0, said: '' });
  });

  it('describes for each operation its errors with codes, its access, and an example of its body', () => {
    const operations = Object.values(document.paths).flatMap(Object.values) as {
      operationId: string;
      description?: string;
      requestBody?: { content: Record<string, { example?: object; schema: { $ref?: string } }> };
      responses: Record<string, Refusal & { $ref?: string }>;
    }[];
    interface Refusal {
      'x-error-codes'?: string[];
      content?: Record<string, { schema: { $ref?: string } }>;
    }
    const { responses: shared } = document.components as { responses: Record<string, Refusal> };
    expect(operations.length).toBeGreaterThan(100);
    const bare = operations.filter(({ description, requestBody, responses }) => {
      const errors = Object.entries(responses)
        .filter(([status]) => Number(status) >= 400)
        .map(([, response]) => (response.$ref ? shared[response.$ref.split('/').at(-1)!]! : response));
      const body = requestBody?.content['application/json'];
      return (
        description?.includes('**Access:**') !== true ||
        errors.length === 0 ||
        errors.some(({ 'x-error-codes': codes = [] }) => codes.length === 0) ||
        errors.some(({ content }) => content?.['application/json']?.schema.$ref === undefined) ||
        (body !== undefined && (body.example === undefined || body.schema.$ref === undefined))
      );
    });
    expect(bare.map(({ operationId }) => operationId)).toEqual([]);
  });
});
