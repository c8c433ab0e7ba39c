-- Where messages go that are older than a tenant keeps at hand: a page of a hundred places of a conversation to a row, so a
-- hundredth of the rows and index entries, and compressed. History reads both; nothing is in both.
CREATE TABLE archive (
  tenant_id text NOT NULL,
  conversation_id text NOT NULL,
  epoch text NOT NULL,
  page bigint NOT NULL,
  seqs bigint[] NOT NULL,
  sent_ats timestamptz[] NOT NULL,
  user_ids text[] NOT NULL,
  clients text[] NOT NULL,
  client_ids text[] NOT NULL,
  bodies text[] NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id, epoch, page)
);
ALTER TABLE archive ENABLE ROW LEVEL SECURITY;
ALTER TABLE archive FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON archive USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON archive TO parley_app;

-- Drops the partitions of months before `month` that are empty, which gives their space back; returns how many.
-- It asks for the whole table for a moment: when it does not get it, another night will do.
CREATE FUNCTION drop_empty_partitions(month date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  partition text;
  full_one boolean;
  dropped int := 0;
BEGIN
  FOR partition IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'messages'::regclass AND c.relname ~ '^messages_\d{4}_\d{2}$'
      AND c.relname < 'messages_' || to_char(month, 'YYYY_MM')
    ORDER BY c.relname
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', partition) INTO full_one;
    CONTINUE WHEN full_one;
    EXECUTE format('LOCK TABLE ONLY messages IN ACCESS EXCLUSIVE MODE');
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', partition) INTO full_one;
    CONTINUE WHEN full_one;
    EXECUTE format('DROP TABLE %I', partition);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION drop_empty_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_empty_partitions(date) TO parley_app;
