export { environmentFile } from './environment-file.js';
export * from './load-settings.js';
export { picoUsdPerToken, TOKEN_FAMILIES, type ConfiguredModel, type TokenFamily } from './configured-models.js';
export type { QuotaLimits } from './sealed-settings.js';
export { isLoopback, type EncryptionKey, type Pepper, type SettingDefinition } from './setting-definition.js';
export { SETTINGS } from './settings.js';
export { VERSION } from './version.js';
