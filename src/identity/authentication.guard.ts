import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { PepperRing } from '../platform/crypto/index.js';
import { Fault } from '../platform/errors/index.js';
import { ACCESS_DECLARATIONS, type AccessDeclaration } from './access.decorator.js';
import { classifyCredential, pathCredential, type Credential } from './credential.js';
import { CredentialStrategies } from './credential-strategies.js';
import { FailedAuthenticationLog } from './failed-authentication-log.js';
import { FailedAuthentications } from './failed-authentications.js';
import { actingFor } from './human-headers.js';
import { ownShareOf } from './own-share.js';
import { auditSubject, chargedHuman, maySame, type Principal } from './principal.js';
import type { PublishableKey } from './publishable-key.js';
import { RefusedCredential, refusedCredential, type RefusedNames } from './refused-credential.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null where nothing was presented, or was refused. Set by the authentication guard. */
    principal: Principal | null;
    /** A publishable key that was verified, whatever then became of the JWT beside it. */
    recognisedKey: PublishableKey | null;
    /** Why the request is refused although a key was recognised: told once its window's headers are set. */
    refusal: Fault | null;
  }
}

/** The names under which features register their strategies. */
export const SECRET_KEY_STRATEGY = 'secret-key';
export const PUBLISHABLE_KEY_STRATEGY = 'publishable-key';
export const END_USER_STRATEGY = 'end-user';
export const DASHBOARD_STRATEGY = 'dashboard';
export const USAGE_TOKEN_STRATEGY = 'usage-token';
export const SEALED_TOKEN_STRATEGY = 'sealed-token';
export const GATEWAY_TOKEN_STRATEGY = 'gateway-token';

type PresentedCredential = Exclude<Credential, { kind: 'none' }>;

/**
 * Turns what a request presents into one principal. Guarantee: after this guard `request.principal` is a verified
 * identity, or null because nothing at all was presented, or because `request.refusal` says so. A credential that is wrong
 * is 401, on unknown paths too; only routes that are public to everybody (health, documentation) do not look at
 * credentials at all. Every failure is weighed by where it comes from, and the log says its real reason.
 */
@Injectable()
export class AuthenticationGuard implements CanActivate {
  constructor(
    private readonly strategies: CredentialStrategies,
    private readonly failures: FailedAuthentications,
    private readonly failureLog: FailedAuthenticationLog,
    private readonly peppers: PepperRing,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const declaration = ACCESS_DECLARATIONS.find(context.getHandler());
    if (declaration !== null && 'public' in declaration && !declaration.recognises) return true;
    const request = context.getArgByIndex<FastifyRequest>(0);
    try {
      const verified = this.authenticate(request, declaration);
      // A known key is judged without a promise: most calls have one.
      if (!(verified instanceof Promise)) return this.accept(request, declaration, verified);
      return verified.then(
        (principal) => this.accept(request, declaration, principal),
        (error: unknown) => this.refuse(request, declaration, error),
      );
    } catch (error) {
      return this.refuse(request, declaration, error);
    }
  }

  private accept(request: FastifyRequest, declaration: AccessDeclaration | null, verified: Principal | null): true {
    if (verified !== null) {
      request.principal = verified;
      try {
        request.principal = actingFor(verified, request.raw);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        request.refusal = error;
      }
    }
    return this.goOn(request, declaration);
  }

  /** @throws the failure, unless a key was recognised: then it is told once the key's window is shown */
  private async refuse(request: FastifyRequest, declaration: AccessDeclaration | null, error: unknown): Promise<true> {
    // Who presents nothing has guessed nothing; the access guard tells it.
    if (error instanceof RefusedCredential && error.reason === 'missing') return true;
    const failure = await this.weigh(request, error);
    if (request.recognisedKey === null) throw failure;
    request.refusal = failure;
    return this.goOn(request, declaration);
  }

  private goOn(request: FastifyRequest, declaration: AccessDeclaration | null): true {
    this.nameInLog(request);
    if (request.principal !== null) {
      request.judgedAtMs = performance.now();
      // Not written into the assignment: V8 makes such a function in the old space, where it would keep the request (0020).
      const judgeAgain = (): Promise<void> => this.judgeAgain(request, declaration);
      request.judgeAgain = judgeAgain;
    }
    return true;
  }

  /** @throws Fault unauthenticated, unavailable; permission_denied where the caller may now do something else than before */
  private async judgeAgain(request: FastifyRequest, declaration: AccessDeclaration | null): Promise<void> {
    const credential = this.credentialOf(request);
    const verified =
      credential.kind === 'none' ? this.anonymousAt(declaration) : await this.verifyAgain(credential, request);
    const now = verified === null ? null : actingFor(verified, request.raw);
    if (now !== null && request.principal !== null && maySame(now, request.principal)) return;
    throw new Fault('permission_denied', 'Your permissions changed while the request was being sent. Send it again.');
  }

  private async verifyAgain(credential: PresentedCredential, request: FastifyRequest): Promise<Principal> {
    try {
      return await this.verify(credential, request);
    } catch (error) {
      this.failureLog.record(error, request.ip, () => this.namesIn(request));
      throw error;
    }
  }

  private authenticate(
    request: FastifyRequest,
    declaration: AccessDeclaration | null,
  ): Principal | Promise<Principal> | null {
    const credential = this.credentialOf(request);
    return credential.kind === 'none' ? this.anonymousAt(declaration) : this.verify(credential, request);
  }

  /** Whom a caller is taken for who presents nothing, where the route takes such callers. */
  private anonymousAt(declaration: AccessDeclaration | null): Principal | null {
    const isTaken = declaration !== null && 'rule' in declaration && declaration.rule.anonymous === true;
    return isTaken ? this.strategies.anonymous : null;
  }

  /** By the declared path of the route: however a caller spells the address, it says nothing here. */
  private credentialOf({ raw, routePath }: FastifyRequest): Credential {
    const ofPath = routePath === undefined ? null : this.strategies.credentialOfPath(routePath);
    return ofPath === null ? classifyCredential(raw) : pathCredential(raw, ofPath);
  }

  /** Every strategy that the shape needs must pass. */
  private verify(credential: PresentedCredential, request: FastifyRequest): Principal | Promise<Principal> {
    switch (credential.kind) {
      case 'secretKey':
        return this.strategies.verifyNow(SECRET_KEY_STRATEGY, { 'x-api-key': credential.secret });
      case 'endUser':
        return this.verifyEndUser(credential, request);
      case 'sealedToken':
        return this.strategies.verify(SEALED_TOKEN_STRATEGY, {
          authorization: `Bearer ${credential.token}`,
          host: request.hostname,
        });
      case 'jwt': {
        const strategy = this.strategies.strategyOfIssuer(credential.issuer);
        if (strategy === null) throw refusedCredential('unknown_issuer');
        return this.strategies.verify(strategy, { authorization: `Bearer ${credential.token}` });
      }
      case 'ofPath':
        return this.strategies.verify(
          credential.strategy,
          credential.token === '' ? {} : { authorization: `Bearer ${credential.token}` },
          { pathParameters: request.params as Readonly<Record<string, string>> },
        );
      default:
        return credential satisfies never;
    }
  }

  private async verifyEndUser(
    { publishableKey, token }: Extract<Credential, { kind: 'endUser' }>,
    request: FastifyRequest,
  ): Promise<Principal> {
    const key = await this.strategies.verify<PublishableKey>(PUBLISHABLE_KEY_STRATEGY, { 'x-api-key': publishableKey });
    request.recognisedKey = key;
    const { origin } = request.headers;
    const headers = { authorization: `Bearer ${token}`, ...(origin === undefined ? {} : { origin }) };
    return this.strategies.verify(END_USER_STRATEGY, headers, { publishableKey: key });
  }

  /** @throws what is not a fault: an outage or a mistake of ours stays what it is */
  private async weigh(request: FastifyRequest, error: unknown): Promise<Fault> {
    if (!(error instanceof Fault)) throw error;
    this.failureLog.record(error, request.ip, () => this.namesIn(request));
    return error.kind === 'unauthenticated' ? this.failures.weigh(request.ip, error) : error;
  }

  /** For the log: whose token it claims to be, and beside which key it came. */
  private namesIn(request: FastifyRequest): RefusedNames {
    const { recognisedKey } = request;
    try {
      const credential = this.credentialOf(request);
      return {
        ...('issuer' in credential ? { issuer: credential.issuer } : {}),
        ...(recognisedKey === null ? {} : { keyId: recognisedKey.keyId }),
      };
    } catch {
      // What can't be read has no names.
      return {};
    }
  }

  /** Log lines name the human by a keyed hash: a log outlives a human's erasure. */
  private nameInLog({ principal, recognisedKey, context }: FastifyRequest): void {
    if (context === undefined) return;
    if (principal === null) {
      if (recognisedKey === null) return;
      context.subject = `key:${recognisedKey.keyId}`;
      context.tenantId = recognisedKey.tenantId;
      return;
    }
    context.subject = auditSubject(principal);
    if (principal.kind === 'account') return;
    context.tenantId = principal.tenantId;
    const share = ownShareOf(principal, context.address);
    if (share !== null) context.shareOf = share;
    const human = chargedHuman(principal);
    if (human === null) return;
    const hash = this.peppers.hash(`log\0${principal.tenantId}\0${human}`).toString('hex', 0, 8);
    context.human = `human:${hash}`;
  }
}
