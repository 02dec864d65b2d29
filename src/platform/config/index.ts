export * from './load-settings.js';
export type { Pepper, SettingDefinition } from './setting-definition.js';
export { SETTINGS } from './settings.js';
