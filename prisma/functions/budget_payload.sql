-- A budget's payload for webhooks: its holder, what it allows, and what is used of it, in units. It has no human's name, which
-- is joined in when the event is sent.
CREATE OR REPLACE FUNCTION budget_payload(p_event budget_event) RETURNS jsonb
  LANGUAGE sql IMMUTABLE
  SET search_path = pg_catalog, public, pg_temp
  AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
      'type', p_event.type,
      'holder', split_part(p_event.holder, ':', 1),
      'holder_id', CASE WHEN p_event.holder <> 'tenant' THEN substr(p_event.holder, strpos(p_event.holder, ':') + 1) END,
      'period', p_event.period,
      'percent', p_event.percent,
      'limit', trim_scale(p_event.amount::numeric / 1000000),
      'used', trim_scale(p_event.used::numeric / 1000000),
      'remaining', trim_scale(greatest(p_event.amount::numeric - p_event.used, 0) / 1000000),
      'resets_at', CASE WHEN p_event.resets_at < 'infinity' THEN to_char(p_event.resets_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END))
  $$;

REVOKE EXECUTE ON FUNCTION budget_payload FROM PUBLIC;
GRANT EXECUTE ON FUNCTION budget_payload TO gatehouse_app, gatehouse_definer;
