// Generates TypeScript from docs/openapi.json by openapi-typescript and by @hey-api/openapi-ts, and compiles a program that
// uses the types of bodies and errors. Prints nothing and exits 0 where all of it compiles.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createClient } from '@hey-api/openapi-ts';
import openapiTS, { astToString } from 'openapi-typescript';

const CACHE = 'node_modules/.cache/gatehouse-typed-clients';
mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(path.join(CACHE, 'run-'));
const file = (name) => path.join(folder, name);

try {
  const document = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
  // A field with a default may be left out of a request.
  const types = await openapiTS(structuredClone(document), { defaultNonNullable: false });
  writeFileSync(file('types.ts'), astToString(types));
  await createClient({
    input: document,
    output: file('client'),
    plugins: ['@hey-api/typescript'],
    logs: { level: 'silent' },
  });
  writeFileSync(file('program.ts'), program());
  writeFileSync(
    file('tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'es2023',
        module: 'preserve',
        moduleResolution: 'bundler',
        lib: ['es2023', 'dom'],
        types: [],
        skipLibCheck: true,
      },
      include: ['*.ts', 'client/**/*.ts'],
    }),
  );
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['node_modules/typescript/bin/tsc', '-p', file('tsconfig.json')],
    { encoding: 'utf8' },
  );
  process.stdout.write(stdout + stderr);
  process.exitCode = status;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A user's program. Each `@ts-expect-error` fails the compilation where the types accept a mistake. */
function program() {
  return `
import type { components, paths } from './types.js';
import type { BudgetsSetData, BudgetsSetErrors, BudgetsSetResponses, ChatCompleteErrors } from './client/index.js';

type Schemas = components['schemas'];
type SetBudget = paths['/api/v1/budgets/set']['post'];

const request: SetBudget['requestBody']['content']['application/json'] = {
  holder: { human: 'user_123' },
  type: 'token_cnt',
  period: 'MONTH',
  limit: '1000',
};
const answer = {} as SetBudget['responses'][200]['content']['application/json'];
export const used: string = answer.budget.used;
const refused = {} as SetBudget['responses'][404]['content']['application/json'];
export const status: 'NOT_FOUND' | string = refused.error.status;
export const reasons: string[] = refused.error.details.map(({ reason }) => reason);
const limited = {} as paths['/v1/chat/completions']['post']['responses'][429]['content']['application/json'];
export const code: string | null = limited.error.code;
const unread = {} as paths['/v1/usage/limits']['get']['responses'][401]['content']['application/json'];
export const own: 'expired_token' | Exclude<Schemas['ErrorCode'], 'expired_token'> = unread.error.code;
export const key: Schemas['ApiKey']['keyPrefix'] = 'sk_';
export const completion = ({} as Schemas['ChatCompletion']).choices[0]?.message.content;

// @ts-expect-error a period that there is not
export const wrong: typeof request = { ...request, period: 'YEAR' };
// @ts-expect-error a status that there is not
export const strange: (typeof refused)['error']['status'] = 'GONE';
// @ts-expect-error a code that there is not
export const unknown: typeof unread.error.code = 'no_such_code';
// @ts-expect-error a field that there is not
export const missing = answer.budget.spent;

const body: BudgetsSetData['body'] = request;
export const left: BudgetsSetResponses[200]['budget']['remaining'] = answer.budget.remaining;
export const message: string = ({} as BudgetsSetErrors[400]).error.message;
export const param: string | null = ({} as ChatCompleteErrors[400]).error.param;
// @ts-expect-error a period that there is not
export const bad: typeof body = { ...body, period: 'YEAR' };
`;
}
