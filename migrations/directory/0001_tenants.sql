-- Which tenant lives on which shard. The tenant's actor decides; this is what operators and cron jobs read.
CREATE TABLE tenants (
  tenant_id text PRIMARY KEY,
  name text NOT NULL,
  shard text NOT NULL,
  epoch bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'suspended')),
  created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON tenants TO parley_app;
GRANT SELECT ON schema_migrations TO parley_app;
