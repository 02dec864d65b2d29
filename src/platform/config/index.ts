export * from './load-settings.js';
export { SETTINGS, type Pepper, type SettingDefinition } from './settings.js';
