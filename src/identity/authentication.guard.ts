import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Reflector } from '@nestjs/core';
import { ACCESS_METADATA, type AccessDeclaration } from './access.decorator.js';
import { classifyCredential, unknownCredential } from './credential.js';
import { CredentialStrategies } from './credential-strategies.js';
import { auditSubject, type Principal } from './principal.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null where nothing was presented. Set by the authentication guard. */
    principal: Principal | null;
  }
}

/** The names under which features register their strategies. */
export const SECRET_KEY_STRATEGY = 'secret-key';
export const DASHBOARD_STRATEGY = 'dashboard';

/**
 * Turns what a request presents into one principal. Guarantee: after this guard `request.principal` is a verified
 * identity, or null because nothing at all was presented. A credential that is wrong is 401, on unknown paths too; only
 * routes that are public to everybody (health, documentation) do not look at credentials at all.
 */
@Injectable()
export class AuthenticationGuard implements CanActivate {
  constructor(
    private readonly strategies: CredentialStrategies,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const declaration = this.reflector.get<AccessDeclaration | undefined>(ACCESS_METADATA, context.getHandler());
    if (declaration !== undefined && 'public' in declaration && !declaration.recognises) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = await this.authenticate(request);
    request.principal = principal;
    if (principal !== null && request.context !== undefined) {
      request.context.subject = auditSubject(principal);
      if (principal.kind !== 'account') request.context.tenantId = principal.tenantId;
    }
    return true;
  }

  private async authenticate(request: FastifyRequest): Promise<Principal | null> {
    const credential = classifyCredential(request.raw);
    if (credential.kind === 'none') return null;
    return this.verify(credential);
  }

  private verify(credential: Exclude<ReturnType<typeof classifyCredential>, { kind: 'none' }>): Promise<Principal> {
    if (credential.kind === 'secretKey') {
      return this.strategies.verify(SECRET_KEY_STRATEGY, { 'x-api-key': credential.secret });
    }
    const strategy = this.strategies.strategyOfIssuer(credential.issuer);
    if (strategy === null) throw unknownCredential();
    return this.strategies.verify(strategy, { authorization: `Bearer ${credential.token}` });
  }
}
