import type { Gateway } from '../../api/types.js';

const ANY_MODEL = 'gpt-4o-mini';

/** The base URL for OpenAI clients. */
export const addressOf = (gatewayId: string): string => `${location.origin}/gateways/${gatewayId}/v1`;

/** A call by a gateway, to paste into a terminal. */
export function gatewayCall(address: string, token: string, { providers }: Pick<Gateway, 'providers'>): string {
  const model = providers.flatMap(({ models }) => models)[0] ?? ANY_MODEL;
  return [
    `curl ${address}/chat/completions \\`,
    `  -H 'Authorization: Bearer ${token}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] }).replaceAll("'", "'\\''")}'`,
  ].join('\n');
}
