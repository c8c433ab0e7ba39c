/**
 * The table of an outbox in a customer's own Postgres, as docs/outbox.md shows it. `data` is `json`, which keeps its text. The index is
 * for rows that are still to be published. The trigger wakes a relay that listens.
 */
export const outboxSql = `CREATE TABLE IF NOT EXISTS parley_outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL DEFAULT gen_random_uuid()::text,
  topic text NOT NULL DEFAULT 'default',
  source text NOT NULL DEFAULT '/',
  type text NOT NULL,
  key text,
  version integer,
  data json,
  time timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  error text
);
CREATE INDEX IF NOT EXISTS parley_outbox_pending ON parley_outbox (seq) WHERE published_at IS NULL;
CREATE INDEX IF NOT EXISTS parley_outbox_failed ON parley_outbox (topic, key) WHERE published_at IS NULL AND error IS NOT NULL;
CREATE INDEX IF NOT EXISTS parley_outbox_published ON parley_outbox (published_at) WHERE published_at IS NOT NULL;
CREATE OR REPLACE FUNCTION parley_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NOTIFY parley_outbox; RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER parley_outbox_notify AFTER INSERT ON parley_outbox
  FOR EACH STATEMENT EXECUTE FUNCTION parley_outbox_notify();`
