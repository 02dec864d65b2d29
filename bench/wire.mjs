// The answers of the stand-in for a provider, which every target must therefore pass on.

export const MODEL = 'gpt-4o-mini';
/** Tokens that each answer states. */
export const TOKENS = { input: 63, output: 48 };
/** Chunks with a choice in each stream; the usage chunk and the end mark come on top. */
export const STREAM_CHUNKS = 50;
