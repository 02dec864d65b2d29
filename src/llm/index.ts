export { Calls } from './calls/calls.service.js';
export { LlmModule } from './llm.module.js';
export { PlatformProviderTenants } from './routing/platform-provider-tenants.js';
export { ModelRouter } from './routing/model-router.js';
