-- Sends `usage.tracked` for a server's report of usage, in the transaction that keeps the report.
CREATE OR REPLACE FUNCTION tell_usage_report() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp
  AS $$
BEGIN
  PERFORM enqueue_webhook_event(NEW.tenant_id, 'usage.tracked', NEW.human_id,
    jsonb_build_object('type', NEW.type, 'value', trim_scale(NEW.micro_units::numeric / 1000000),
                       'metadata', jsonb_build_object('usage_report_id', NEW.id)));
  RETURN NULL;
END
$$;

CREATE TRIGGER tell_usage_report
  AFTER INSERT ON usage_reports
  FOR EACH ROW WHEN (NEW.micro_units <> 0) EXECUTE FUNCTION tell_usage_report();

REVOKE EXECUTE ON FUNCTION tell_usage_report FROM PUBLIC;
ALTER FUNCTION tell_usage_report OWNER TO gatehouse_definer;
