import { Injectable } from '@nestjs/common';
import { HumanLimits } from '../../humans/index.js';
import { auditSubject, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../../identity/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import type { ReportUsageRequest } from './usage-reports.dto.js';
import { UsageReportsRepository, type TenantReports, type UsageReport } from './usage-reports.repository.js';

/** Who may report: a tenant's people and its servers. */
export type ReportingPrincipal = DashboardUserPrincipal | SecretKeyPrincipal;

/** Usage that the platform can't see, told by the tenant's own servers. */
@Injectable()
export class UsageReportsService {
  constructor(
    private readonly repository: UsageReportsRepository,
    private readonly limits: HumanLimits,
    private readonly idempotency: IdempotencyKeys,
  ) {}

  /**
   * Counts a report once: it stands in the ledger and is taken from the human's limit in one transaction. It is taken
   * beyond the limit too: what it tells of has happened.
   *
   * @throws Fault invalid_input: another human than the request charges; conflict: the key was used for another report
   */
  async report(
    principal: ReportingPrincipal,
    request: ReportUsageRequest,
    headerKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    if (principal.kind === 'secretKey' && principal.human !== null && principal.human !== request.human) {
      throw invalidField('human', 'is another one than x-human-id names');
    }
    const owner = `tenant:${tenantId}:${auditSubject(principal)}`;
    const idempotent = this.idempotency.request(owner, headerKey, 'usage/report', request);
    return this.repository.change(tenantId, async (reports) => {
      let known = false;
      const answer = await this.idempotency.once(reports.tx, idempotent, tenantId, async () => {
        const { reportId, isNew } = await this.count(reports, principal, request);
        known = !isNew;
        return { body: { reportId }, kept: { reportId } };
      });
      return { ...answer, replayed: answer.replayed || known };
    });
  }

  private async count(
    reports: TenantReports,
    principal: ReportingPrincipal,
    { type, value: microUnits, human, idempotencyKey }: ReportUsageRequest,
  ): Promise<{ reportId: string; isNew: boolean }> {
    const known = await this.repository.findOrLock(reports, idempotencyKey);
    if (known !== null) {
      // Whose report it was is forgotten with the human: then the rest decides, and nobody comes back by a repeat.
      const same = known.type === type && known.microUnits === microUnits && (known.human ?? human) === human;
      if (!same) throw usedOtherwise();
      return { reportId: known.id, isNew: false };
    }
    const [keyId, userId] = principal.kind === 'secretKey' ? [principal.keyId, null] : [null, principal.userId];
    const humanId = await this.limits.ensure(reports.tx, human, keyId);
    const report: UsageReport = { id: uuidV7(), humanId, keyId, userId, type, microUnits };
    await this.repository.add(reports, report, idempotencyKey);
    await this.repository.charge(reports, report);
    return { reportId: report.id, isNew: true };
  }
}

function usedOtherwise(): Fault {
  const reason = 'was used for another report';
  return new Fault('conflict', `idempotencyKey: ${reason}`, { fields: [{ field: 'idempotencyKey', reason }] });
}
