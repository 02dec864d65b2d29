-- Refuses a negative amount when it is set. A check of the table would be read anew from its text by each call's update.
CREATE OR REPLACE FUNCTION check_budget() RETURNS trigger
  LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  RAISE EXCEPTION 'A budget is at least 0, and raised by at least 0: not % and %.', NEW.amount, NEW.raise_by
    USING ERRCODE = 'check_violation';
END
$$;

CREATE TRIGGER check_budget
  AFTER INSERT OR UPDATE OF amount, raise_by ON budgets
  FOR EACH ROW WHEN (NEW.amount < 0 OR NEW.raise_by < 0) EXECUTE FUNCTION check_budget();

REVOKE EXECUTE ON FUNCTION check_budget FROM PUBLIC;
