import type { DocumentBuilder } from '@nestjs/swagger';

const BEARER = { type: 'http', scheme: 'bearer' } as const;
const JWT = { ...BEARER, bearerFormat: 'JWT' } as const;

const SCHEMES = {
  dashboardToken: { ...JWT, description: "A dashboard user's ID token, with a `tenant_id` claim." },
  secretKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'A secret key, `sk_…`.' },
  secretKeyBearer: { ...BEARER, description: "A secret key, `sk_…`, as OpenAI's clients send it." },
  publishableKey: {
    type: 'apiKey',
    in: 'header',
    name: 'X-API-Key',
    description: 'A publishable key, `pk_…`. It needs a user token beside it.',
  },
  userToken: {
    ...JWT,
    description: "An end user's JWT, of the issuer that the publishable key beside it names.",
  },
  usageToken: { ...JWT, description: "A usage token: your server makes it for one of the tenant's humans." },
  sealedToken: {
    ...BEARER,
    description: "A sealed access token, `aisbreaker_…`, which holds its providers' secrets.",
  },
  gatewayToken: { ...BEARER, description: 'A token of one gateway.' },
  gatewayTokenHeader: {
    type: 'apiKey',
    in: 'header',
    name: 'cf-aig-authorization',
    description: 'A token of one gateway, as `Bearer …`. It takes precedence over `Authorization`.',
  },
} as const;

/** Every credential that a route can ask for. */
export function addSecuritySchemes(builder: DocumentBuilder): DocumentBuilder {
  return Object.entries(SCHEMES).reduce((built, [name, scheme]) => built.addSecurity(name, scheme), builder);
}
