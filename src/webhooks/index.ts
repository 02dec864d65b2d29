export { webhookSecretRewrap } from './webhook-secret-rewrap.js';
export { WebhooksModule } from './webhooks.module.js';
