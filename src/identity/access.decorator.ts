import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import { DeclaredMetadata } from '../platform/http/index.js';
import type { PrincipalKind } from './principal.js';
import type { Role, Scope } from './scope.js';

/** What a handler asks of each kind of principal; a kind that is left out is refused. */
export interface AccessRule {
  readonly account?: true;
  /** The lowest of the roles that may, or the scope that the role must include. */
  readonly dashboardUser?: true | { readonly roles: readonly Role[] } | { readonly scope: Scope };
  readonly secretKey?: true | { readonly scope: Scope };
  readonly impersonation?: true | { readonly scope: Scope };
  readonly endUser?: true | { readonly scope: Scope };
  readonly usageToken?: true | { readonly scope: Scope };
  readonly sealedToken?: true;
  readonly gatewayToken?: true;
  readonly anonymous?: true;
}

export type AccessDeclaration =
  | { readonly rule: AccessRule }
  /** `recognises`: a credential is verified and counted where there is one, though none is needed. */
  | { readonly public: string; readonly recognises: boolean };

export const ACCESS_METADATA = 'gatehouse:access';

/** What handlers declare, for the guards. */
export const ACCESS_DECLARATIONS = new DeclaredMetadata<AccessDeclaration>(ACCESS_METADATA);

/** Which OpenAPI security schemes each kind presents: any of these, and of one with a plus both together. */
const SECURITY_SCHEMES: Readonly<Record<PrincipalKind, readonly string[]>> = {
  account: ['dashboardToken'],
  dashboardUser: ['dashboardToken'],
  secretKey: ['secretKey', 'secretKeyBearer'],
  impersonation: ['secretKey', 'secretKeyBearer'],
  endUser: ['publishableKey+userToken'],
  usageToken: ['usageToken'],
  sealedToken: ['sealedToken'],
  gatewayToken: ['gatewayToken', 'gatewayTokenHeader'],
  anonymous: [''],
};

/** Names who may call a handler, and with which scope or role; writes the same into OpenAPI. */
export function Access(rule: AccessRule): MethodDecorator {
  const kinds = Object.keys(rule) as PrincipalKind[];
  const schemes = [...new Set(kinds.flatMap((kind) => SECURITY_SCHEMES[kind]))];
  return applyDecorators(
    SetMetadata(ACCESS_METADATA, { rule } satisfies AccessDeclaration),
    ApiExtension('x-access', rule),
    ...schemes.map((scheme) => ApiSecurity(schemesOf(scheme))),
  );
}

/** Of OpenAPI's words: all of these together; none of them, where nothing is needed. */
function schemesOf(together: string): Record<string, string[]> {
  return Object.fromEntries(together === '' ? [] : together.split('+').map((name) => [name, []]));
}

/** Opens a handler to all; the reason is reviewed with the access snapshot. */
export function Public(reason: string, options: { recognises?: true } = {}): MethodDecorator {
  return applyDecorators(
    SetMetadata(ACCESS_METADATA, {
      public: reason,
      recognises: options.recognises ?? false,
    } satisfies AccessDeclaration),
    ApiExtension('x-access', { public: reason }),
  );
}
