-- A shard's rows. Every key begins with the tenant; row-level security is the second wall behind it.

-- Which tenants live here, as of which epoch of their placement. Every write is checked against it in its own statement.
CREATE TABLE placements (
  tenant_id text PRIMARY KEY,
  epoch bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'moving', 'gone'))
);

CREATE TABLE conversations (
  tenant_id text NOT NULL,
  conversation_id text NOT NULL,
  type text NOT NULL CHECK (type IN ('direct', 'group', 'channel')),
  name text NOT NULL,
  epoch text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  deleted_at timestamptz,
  version bigint NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id)
);

CREATE TABLE members (
  tenant_id text NOT NULL,
  conversation_id text NOT NULL,
  user_id text NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  joined_at timestamptz NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id, user_id)
);
CREATE INDEX members_by_user ON members (tenant_id, user_id);

-- The log of every conversation: what the actors acknowledged, at the same seqs. `body` is the entry's JSON, word for word.
CREATE TABLE messages (
  tenant_id text NOT NULL,
  conversation_id text NOT NULL,
  seq bigint NOT NULL,
  sent_at timestamptz NOT NULL,
  epoch text NOT NULL,
  user_id text NOT NULL,
  client text NOT NULL,
  client_id text,
  body text NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id, seq, sent_at)
) PARTITION BY RANGE (sent_at);
CREATE TABLE messages_default PARTITION OF messages DEFAULT;

-- Makes the partition of one month where it is missing; run ahead of time by cron, with the owner's rights.
-- Rows of that month that came too early wait in the default partition and move along.
CREATE FUNCTION create_message_partition(month date) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  first timestamptz := date_trunc('month', month)::timestamp AT TIME ZONE 'UTC';
  next timestamptz := (date_trunc('month', month) + interval '1 month')::timestamp AT TIME ZONE 'UTC';
  partition text := 'messages_' || to_char(month, 'YYYY_MM');
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext(partition));
  IF to_regclass(partition) IS NOT NULL THEN
    RETURN partition;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE messages INCLUDING DEFAULTS)', partition);
  EXECUTE format('WITH early AS (DELETE FROM messages_default WHERE sent_at >= %L AND sent_at < %L RETURNING *)
    INSERT INTO %I SELECT * FROM early', first, next, partition);
  EXECUTE format('ALTER TABLE messages ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, first, next);
  RETURN partition;
END $$;
REVOKE ALL ON FUNCTION create_message_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_message_partition(date) TO parley_app;

-- A transaction sees the tenants it has named in app.tenants, and none when it has named none.
CREATE FUNCTION may_see(tenant text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT tenant = ANY (string_to_array(current_setting('app.tenants', true), ','))
$$;

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON conversations USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
ALTER TABLE members ENABLE ROW LEVEL SECURITY;
ALTER TABLE members FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON members USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON messages USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));

GRANT SELECT, INSERT, UPDATE, DELETE ON conversations, members, messages TO parley_app;
GRANT SELECT, INSERT, UPDATE ON placements TO parley_app;
GRANT SELECT ON schema_migrations TO parley_app;
