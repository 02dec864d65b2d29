import { Module } from '@nestjs/common';
import { BudgetEpochsPruner } from './budget-epochs.pruner.js';
import { BudgetsController } from './budgets.controller.js';
import { BudgetsRepository } from './budgets.repository.js';
import { BudgetsService } from './budgets.service.js';
import { HolderBudgets } from './holder-budgets.js';

@Module({
  controllers: [BudgetsController],
  providers: [BudgetEpochsPruner, BudgetsRepository, BudgetsService, HolderBudgets],
  exports: [HolderBudgets],
})
export class BudgetsModule {}
