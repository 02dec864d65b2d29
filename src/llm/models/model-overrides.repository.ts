import { Injectable } from '@nestjs/common';
import { Database, type TenantTransaction } from '../../platform/database/index.js';

/** What is set; absent: it stays as it was. Prices are those of a token, in 10^-12 USD. */
export interface ModelOverride {
  readonly contextTokens?: number | undefined;
  readonly maxOutputTokens?: number | undefined;
  readonly hidesReasoning?: boolean | undefined;
  readonly price?:
    | {
        readonly input: bigint;
        readonly cachedInput: bigint;
        readonly cacheWrite: bigint | null;
        readonly output: bigint;
        readonly asOf: string;
      }
    | undefined;
}

const SET = `
  INSERT INTO llm_model_overrides (tenant_id, model, context_tokens, max_output_tokens, hides_reasoning, input_pico_usd,
                                   cached_input_pico_usd, cache_write_pico_usd, output_pico_usd, price_as_of)
  VALUES ($1, $2, $3::integer, $4::integer, $5::boolean, $6::bigint, $7::bigint, $8::bigint, $9::bigint, $10::date)
  ON CONFLICT (tenant_id, model) DO UPDATE SET
    context_tokens = coalesce(excluded.context_tokens, llm_model_overrides.context_tokens),
    max_output_tokens = coalesce(excluded.max_output_tokens, llm_model_overrides.max_output_tokens),
    hides_reasoning = coalesce(excluded.hides_reasoning, llm_model_overrides.hides_reasoning),
    input_pico_usd = coalesce(excluded.input_pico_usd, llm_model_overrides.input_pico_usd),
    cached_input_pico_usd = coalesce(excluded.cached_input_pico_usd, llm_model_overrides.cached_input_pico_usd),
    cache_write_pico_usd = CASE WHEN excluded.input_pico_usd IS NULL THEN llm_model_overrides.cache_write_pico_usd
                                ELSE excluded.cache_write_pico_usd END,
    output_pico_usd = coalesce(excluded.output_pico_usd, llm_model_overrides.output_pico_usd),
    price_as_of = coalesce(excluded.price_as_of, llm_model_overrides.price_as_of),
    updated_at = clock_timestamp()`;

/** What tenants say of models. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class ModelOverridesRepository {
  constructor(private readonly database: Database) {}

  /** For what writes: the tenant stays until it is done. */
  change<T>(tenantId: string, work: (tx: TenantTransaction) => Promise<T>): Promise<T> {
    return this.database.changeTenant(tenantId, work);
  }

  async set(tx: TenantTransaction, tenantId: string, model: string, override: ModelOverride): Promise<void> {
    const { contextTokens, maxOutputTokens, hidesReasoning, price } = override;
    await tx.$executeRawUnsafe(
      SET,
      ...[tenantId, model, contextTokens ?? null, maxOutputTokens ?? null, hidesReasoning ?? null],
      ...[price?.input ?? null, price?.cachedInput ?? null, price?.cacheWrite ?? null, price?.output ?? null],
      price?.asOf ?? null,
    );
  }

  async count(tx: TenantTransaction, tenantId: string): Promise<number> {
    const [row] = await tx.$queryRawUnsafe<{ count: number }[]>(
      'SELECT count(*)::integer AS count FROM llm_model_overrides WHERE tenant_id = $1',
      tenantId,
    );
    return row?.count ?? 0;
  }

  async delete(tx: TenantTransaction, tenantId: string, model: string): Promise<void> {
    await tx.$executeRawUnsafe('DELETE FROM llm_model_overrides WHERE tenant_id = $1 AND model = $2', tenantId, model);
  }
}
