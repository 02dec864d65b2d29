import { isTokenOf, newToken } from '../keys/index.js';
import { GATEWAY_TOKEN_PREFIX } from '../identity/index.js';

export function newGatewayToken(): string {
  return newToken(GATEWAY_TOKEN_PREFIX);
}

/** Whether a text has a gateway token's form and its checksum agrees. */
export function isGatewayToken(token: string): boolean {
  return isTokenOf(GATEWAY_TOKEN_PREFIX, token);
}
