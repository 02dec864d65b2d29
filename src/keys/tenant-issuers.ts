import { Inject, Injectable } from '@nestjs/common';
import { CredentialStrategies, type DashboardUserPrincipal, type Role } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { assertApart } from './issuer-prefixes.js';
import type { OidcConfigRequest } from './keys.dto.js';
import { KeysRepository, type ApiKeyChanges, type TenantKeys } from './keys.repository.js';

const MAY_SET: ReadonlySet<Role> = new Set<Role>(['owner', 'admin']);

/**
 * The issuers whose users a tenant's publishable keys accept. A person who controls an issuer can be any of its humans.
 * So only owners and admins can name an issuer, its addresses must be ones that a tenant may have us call, and no two
 * issuers of a tenant share humans.
 */
@Injectable()
export class TenantIssuers {
  constructor(
    private readonly repository: KeysRepository,
    private readonly outbound: OutboundHttp,
    private readonly strategies: CredentialStrategies,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'publishableDefaultIssuer'>,
  ) {}

  /** @throws Fault permission_denied, invalid_input */
  assertMaySet({ role }: DashboardUserPrincipal, { issuer, jwksUri }: OidcConfigRequest): void {
    if (!MAY_SET.has(role)) {
      const reason = `the role ${role} may not set it: an issuer can sign in as any human. Ask an owner or admin`;
      throw new Fault('permission_denied', `oidcConfig: ${reason}.`, { fields: [{ field: 'oidcConfig', reason }] });
    }
    this.outbound.assertAllowedUrl(issuer, 'oidcConfig.issuer');
    // The platform's issuer signs users in here; it serves end users only by its own rules (PUBLISHABLE_DEFAULT_ISSUER).
    if (this.strategies.strategyOfIssuer(issuer) !== null)
      throw invalidField('oidcConfig.issuer', "is the platform's own");
    // OpenID Connect Discovery 1.0, section 3: the discovery document's path can't follow a query.
    if (issuer.includes('?')) throw invalidField('oidcConfig.issuer', 'must not have a query');
    if (jwksUri !== '') this.outbound.assertAllowedUrl(jwksUri, 'oidcConfig.jwksUri');
  }

  /** @throws Fault invalid_input: a key must name its issuer, unless the operator shares the platform's */
  assertMayLack(): void {
    if (this.settings.publishableDefaultIssuer !== 'platform') throw invalidField('oidcConfig', 'is required');
  }

  /**
   * Holds a lock until the transaction ends, so that of two parallel changes the second one sees the first.
   *
   * @param keyId null: a new key
   * @throws Fault conflict
   */
  async assertApart(keys: TenantKeys, { oidcIssuer, humanPrefix }: ApiKeyChanges, keyId: string | null): Promise<void> {
    await this.repository.lockIssuers(keys);
    const others = await this.repository.listIssuers(keys, keyId);
    assertApart({ issuer: oidcIssuer ?? null, humanPrefix: humanPrefix ?? '' }, others);
  }
}
