import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Fault } from '../platform/errors/index.js';
import { ACCESS_DECLARATIONS, type AccessRule } from './access.decorator.js';
import { FailedAuthenticationLog } from './failed-authentication-log.js';
import type { Principal } from './principal.js';
import { refusedCredential } from './refused-credential.js';
import { ROLE_SCOPES } from './scope.js';

/**
 * Holds the handler's declaration against the principal, in memory. Guarantee: a handler runs only for a kind that its
 * declaration names, with the scope or role that it asks. A handler without a declaration is refused to all (and the
 * service does not boot, see assertRoutesDeclared).
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(private readonly failureLog: FailedAuthenticationLog) {}

  canActivate(context: ExecutionContext): boolean {
    const declaration = ACCESS_DECLARATIONS.find(context.getHandler());
    if (declaration === null) throw new Fault('permission_denied', 'This route declares no access.');
    const request = context.getArgByIndex<FastifyRequest>(0);
    const { principal, refusal } = request;
    // Told only now, so that the answer to a recognised key carries its window's headers.
    if (refusal !== null) throw refusal;
    if ('public' in declaration) return true;
    try {
      if (principal === null) throw refusedCredential('missing');
      assertAllowed(declaration.rule, principal);
      return true;
    } catch (error) {
      this.failureLog.record(error, request.ip);
      throw error;
    }
  }
}

export const NOT_A_MEMBER =
  'You are not a member of this tenant. Ask an owner or admin of its org to invite you, or go to a tenant of yours with /api/v1/tenants/switch.';

const WHO_MAY = '`x-access` in /openapi.json lists the credentials that may.';
const REFUSED_KIND = {
  secretKey: `An API key may not call this route. ${WHO_MAY}`,
  impersonation: 'This route may not be called with X-On-Behalf-Of. Leave the header out.',
  endUser: `An end user may not call this route. ${WHO_MAY}`,
  usageToken: `A usage token may not call this route. ${WHO_MAY}`,
  sealedToken: `A sealed access token may not call this route. ${WHO_MAY}`,
  gatewayToken: `A gateway's token may not call this route. ${WHO_MAY}`,
  anonymous: `This route needs a credential. ${WHO_MAY}`,
};

/** @throws Fault permission_denied; unauthenticated: a usage token where keys alone are taken */
export function assertAllowed(rule: AccessRule, principal: Principal): void {
  switch (principal.kind) {
    case 'account':
      if (rule.account) return;
      throw new Fault(
        'permission_denied',
        principal.claimsTenant
          ? NOT_A_MEMBER
          : 'This route needs a tenant, and the token has no tenant_id claim. Create an org with /api/v1/orgs/create, or go to a tenant with /api/v1/tenants/switch.',
      );
    case 'dashboardUser': {
      const wanted = rule.dashboardUser;
      if (wanted === true) return;
      if (wanted !== undefined && 'roles' in wanted && wanted.roles.includes(principal.role)) return;
      if (wanted !== undefined && 'scope' in wanted && ROLE_SCOPES[principal.role].has(wanted.scope)) return;
      throw new Fault(
        'permission_denied',
        wanted === undefined
          ? `A dashboard user may not call this route. ${WHO_MAY}`
          : `The role ${principal.role} may not call this route. Ask an owner or admin of the org for another role.`,
      );
    }
    case 'secretKey':
    case 'impersonation':
    case 'endUser':
    case 'usageToken': {
      const wanted = rule[principal.kind];
      if (wanted === true) return;
      if (wanted !== undefined && principal.scopes.has(wanted.scope)) return;
      if (principal.kind === 'usageToken' && takesKeysAlone(rule)) {
        throw refusedCredential('usage_token_not_taken_here', {
          usageTokenId: principal.tokenId,
          keyId: principal.keyId,
        });
      }
      throw new Fault(
        'permission_denied',
        wanted === undefined
          ? REFUSED_KIND[principal.kind]
          : `The key lacks the scope ${wanted.scope}. Add it with /api/v1/api-keys/update.`,
      );
    }
    case 'sealedToken':
    case 'gatewayToken':
    case 'anonymous':
      if (rule[principal.kind]) return;
      throw new Fault('permission_denied', REFUSED_KIND[principal.kind]);
    default:
      throw new Fault('permission_denied', `Unknown principal ${principal satisfies never}.`);
  }
}

/** Such routes do not know usage tokens as a credential: the contract says 401, not 403. */
function takesKeysAlone(rule: AccessRule): boolean {
  return Object.keys(rule).join() === 'secretKey';
}
