-- Online moves of tenants between shards (docs/design/moving-tenants.md).

-- What a move does with a tenant here. `noting`: changes of its rows are noted, to be copied. `fenced`: changes are refused.
-- `arriving`: rows are copied here, and all other changes are refused. `closed`: nothing.
-- `step`: the newest step of the tenant's moves that changed something here. A statement of an earlier one is refused.
CREATE TABLE moves (
  tenant_id text PRIMARY KEY,
  phase text NOT NULL CHECK (phase IN ('noting', 'fenced', 'arriving', 'closed')),
  step bigint NOT NULL
);
CREATE INDEX moves_under_way ON moves (tenant_id) WHERE phase <> 'closed';
GRANT SELECT, INSERT, UPDATE, DELETE ON moves TO parley_app;

-- Rows that changed since the move began and are to be copied as they are then; `key` is the primary key without the tenant.
CREATE TABLE move_notes (
  tenant_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY,
  of_table text NOT NULL,
  key json NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
ALTER TABLE move_notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE move_notes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON move_notes USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
GRANT SELECT, INSERT, DELETE ON move_notes TO parley_app;

-- Begins a step of a move in this transaction, and changes the phase where one is given. A change of the phase waits for all
-- transactions that changed rows of the tenant while the phase before was in force.
CREATE FUNCTION begin_move_step(tenant text, number bigint, new_phase text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET lock_timeout = '3s' AS $$
BEGIN
  PERFORM set_config('app.tenants', tenant, true), set_config('app.mover', tenant, true);
  IF new_phase IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(15, hashtext(tenant));
  END IF;
  INSERT INTO moves VALUES (tenant, coalesce(new_phase, 'closed'), number)
  ON CONFLICT (tenant_id) DO UPDATE SET step = number, phase = coalesce(new_phase, moves.phase) WHERE moves.step < number;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'step % of the move of % is over: a later one has begun', number, tenant USING ERRCODE = 'PM002';
  END IF;
END $$;
REVOKE ALL ON FUNCTION begin_move_step(text, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_move_step(text, bigint, text) TO parley_app;

-- After a statement that changed rows: notes the keys of those whose tenants are moving away. Its arguments are the columns of
-- the key. The lock holds up a change of the phase until this transaction has ended; the phase is read after it is held.
CREATE FUNCTION note_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  moving text;
  now_in text;
  columns text;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM moves WHERE phase <> 'closed') THEN
    RETURN NULL;
  END IF;
  FOR moving IN
    SELECT m.tenant_id FROM moves m WHERE m.phase <> 'closed' AND m.tenant_id <> coalesce(current_setting('app.mover', true), '')
      AND m.tenant_id IN (SELECT c.tenant_id FROM changed c) ORDER BY 1
  LOOP
    PERFORM pg_advisory_xact_lock_shared(15, hashtext(moving));
    SELECT phase INTO now_in FROM moves WHERE tenant_id = moving;
    IF now_in IN ('fenced', 'arriving') THEN
      RAISE EXCEPTION 'the tenant % is moving: its rows cannot be changed here now', moving USING ERRCODE = 'PM001';
    ELSIF now_in = 'noting' THEN
      SELECT string_agg(format('%L, %I', name, name), ', ') INTO columns FROM unnest(TG_ARGV) AS name;
      EXECUTE format('INSERT INTO move_notes (tenant_id, of_table, key)
        SELECT tenant_id, %L, json_build_object(%s) FROM changed WHERE tenant_id = $1', TG_TABLE_NAME, columns) USING moving;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Has the changes of a table noted; every table whose rows move with their tenant needs it.
CREATE FUNCTION note_changes_of(watched regclass) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
  columns text;
  event text;
BEGIN
  SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY k.place) INTO columns
  FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
  JOIN pg_attribute a ON a.attnum = k.number
  WHERE i.indrelid = watched AND i.indisprimary AND a.attrelid = watched AND a.attname <> 'tenant_id';
  FOREACH event IN ARRAY ARRAY['INSERT', 'UPDATE', 'DELETE'] LOOP
    EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING %s TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%s)',
      'note_' || lower(event), event, watched, CASE event WHEN 'DELETE' THEN 'OLD' ELSE 'NEW' END, columns);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION note_changes_of(regclass) FROM PUBLIC;
SELECT note_changes_of(name::regclass) FROM unnest(ARRAY['conversations', 'members', 'messages', 'archive', 'usage']) AS name;
