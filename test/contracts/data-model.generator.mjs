// A Prisma generator that writes the data model as Prisma reads it, as JSON. Prisma asks over standard input, one line for each
// question, and reads the answers from standard error.
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  const answer = (result) => process.stderr.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
  if (method === 'getManifest') {
    answer({ manifest: { prettyName: 'The data model', defaultOutput: 'data-model.json' } });
  } else if (method === 'generate') {
    writeFileSync(params.generator.output.value, JSON.stringify(params.dmmf.datamodel));
    answer(null);
  }
}
