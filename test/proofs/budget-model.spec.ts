/**
 * After any sequence of operations on budgets of nested holders, over periods that renew in four time zones, the rows, the
 * verdicts and the webhooks equal those of a small model, and each epoch equals the ledger.
 */
import { runBudgets } from '../support/budget-run.js';
import { createTestDatabase } from '../support/postgres.js';
import { inForm } from '../support/proof-form.js';

it.each([7, 11])('budgets behave as the model does, from seed %i on', async (seed) => {
  const database = await createTestDatabase();
  try {
    const counts = await runBudgets(database.superuserUrl, { operations: inForm(400, 20_000), seed });
    // The run covered everything: every verdict, every kind of change, many ended epochs.
    for (const kind of ['admitted', 'exceeded', 'busy', 'boundless', 'unpriced', 'repeated', 'settled', 'swept'])
      expect(counts).toHaveProperty(kind, expect.any(Number));
    for (const kind of ['set', 'set again', 'removed', 'erased', 'events', 'epochs'])
      expect(counts).toHaveProperty(kind, expect.any(Number));
  } finally {
    await database.drop();
  }
});
