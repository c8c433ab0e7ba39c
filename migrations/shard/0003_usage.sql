-- What each tenant used, by day (UTC). Written over from the messages themselves, and from what actors counted.
CREATE TABLE usage (
  tenant_id text NOT NULL,
  day date NOT NULL,
  messages bigint NOT NULL DEFAULT 0,
  jobs bigint NOT NULL DEFAULT 0,
  connections_peak bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, day)
);
ALTER TABLE usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON usage USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
GRANT SELECT, INSERT, UPDATE ON usage TO parley_app;

-- Messages of a day are counted by it; they arrive nearly in order of time, so this index is a few pages large.
CREATE INDEX messages_by_time ON messages USING brin (sent_at);
