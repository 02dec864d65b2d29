export { LlmModule } from './llm.module.js';
export { PlatformProviderTenants } from './providers/platform-provider-tenants.js';
export { ProviderRouter } from './providers/provider-router.js';
