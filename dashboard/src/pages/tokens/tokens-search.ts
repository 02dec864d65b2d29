export interface TokensSearch {
  readonly human?: string;
}

/** The human whose tokens the page shows, from its address. */
export function readTokensSearch({ human }: Record<string, unknown>): TokensSearch {
  const isText = typeof human === 'string' || typeof human === 'number';
  return isText && human !== '' ? { human: String(human) } : {};
}
