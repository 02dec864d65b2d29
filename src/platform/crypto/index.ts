export * from './base62.js';
export * from './crypto.module.js';
export * from './jwk.js';
export * from './jwks-document.js';
export * from './jwks-key-store.js';
export * from './pepper.js';
export * from './signing-key-ring.js';
export * from './signing-keys.js';
