import type { AccessDeclaration, AccessRule } from '../../identity/index.js';

const KINDS: Readonly<Record<keyof AccessRule, string>> = {
  account: 'a signed-in person without a tenant',
  dashboardUser: 'a dashboard user',
  secretKey: 'a secret key',
  impersonation: 'a secret key with the scope `users:impersonate` and `X-On-Behalf-Of`',
  endUser: 'a publishable key and its end user',
  usageToken: 'a usage token',
  sealedToken: 'a sealed access token',
  gatewayToken: 'a token of the gateway',
  anonymous: 'a caller without a credential, within narrow limits',
};

/** Who may call a route, with which role or scope, in words. */
export function accessText(access: AccessDeclaration): string {
  if ('public' in access) return '**Access:** no credential is needed.';
  const { rule } = access;
  const kinds = (Object.keys(rule) as (keyof AccessRule)[]).map((kind) => KINDS[kind] + wantsOf(rule[kind]));
  return `**Access:** ${kinds.join('; ')}.`;
}

function wantsOf(asked: AccessRule[keyof AccessRule]): string {
  if (asked === true || asked === undefined) return '';
  if ('scope' in asked) return ` (scope \`${asked.scope}\`)`;
  return ` (role ${asked.roles.map((role) => `\`${role}\``).join(', ')})`;
}
