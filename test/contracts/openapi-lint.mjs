// Checks docs/openapi.json against the rules that Redocly recommends, by the linter behind `redocly lint`. Prints nothing and
// exits 0 where it passes.
import { readFileSync } from 'node:fs';
import { createConfig, lintFromString } from '@redocly/openapi-core';

const config = await createConfig({
  extends: ['recommended'],
  rules: {
    // The owner has not chosen a licence.
    'info-license': 'off',
    // Gabber's clients call /v1/llm/list and /v1/llm/{llm}, and contexts in the same way.
    'no-ambiguous-paths': 'off',
    // Health checks, public keys and HEAD take no input that could be wrong.
    'operation-4xx-response': 'off',
  },
});
const problems = await lintFromString({
  source: readFileSync('docs/openapi.json', 'utf8'),
  absoluteRef: 'openapi.json',
  config,
});
for (const { ruleId, message, location } of problems) {
  process.stdout.write(`${ruleId}: ${message} (${location.map(({ pointer }) => pointer).join(', ')})\n`);
}
process.exit(problems.length === 0 ? 0 : 1);
