import { Module } from '@nestjs/common';
import { AuditController } from './audit.controller.js';
import { AuditPruner } from './audit.pruner.js';
import { AuditRepository } from './audit.repository.js';
import { AuditService } from './audit.service.js';
import { AuditWriter } from './audit-writer.js';

/** Hears every event, and serves the log of them. The repository is for the guard, which the composition root makes. */
@Module({
  controllers: [AuditController],
  providers: [AuditPruner, AuditWriter, AuditService, AuditRepository],
  exports: [AuditRepository],
})
export class AuditModule {}
