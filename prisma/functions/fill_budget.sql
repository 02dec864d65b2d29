-- Fills a new budget's columns that follow from its holder and type, and refuses a holder, type or period that does not exist.
-- A generated column or a check would cost each update of the row: check_budget refuses a negative amount.
CREATE OR REPLACE FUNCTION fill_budget() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  IF NEW.holder !~ '^(tenant|(key|human|gateway|gateway_token|sealed_token|address):.+)$'
     OR NEW.period NOT IN ('NONE', 'MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH')
     OR NEW.type NOT IN ('request_cnt', 'token_cnt', 'cost_micros', 'conversational_seconds', 'voice_synthesis_seconds',
                         'memory_message_cnt') THEN
    RAISE EXCEPTION 'A budget of % % % is not known: see prisma/functions/fill_budget.sql.', NEW.holder, NEW.type, NEW.period
      USING ERRCODE = 'check_violation';
  END IF;
  NEW.is_metered := NEW.type IN ('request_cnt', 'token_cnt', 'cost_micros');
  NEW.key_id := CASE WHEN starts_with(NEW.holder, 'key:') THEN substr(NEW.holder, 5) END;
  NEW.human_id := CASE WHEN starts_with(NEW.holder, 'human:') THEN substr(NEW.holder, 7) END;
  RETURN NEW;
END
$$;

CREATE TRIGGER fill_budget
  BEFORE INSERT ON budgets
  FOR EACH ROW EXECUTE FUNCTION fill_budget();

REVOKE EXECUTE ON FUNCTION fill_budget FROM PUBLIC;
