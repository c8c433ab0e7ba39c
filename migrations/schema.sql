-- The directory

TABLE schema_migrations
TABLE tenants

COLUMN schema_migrations.number integer NOT NULL
COLUMN schema_migrations.ran_at timestamp with time zone NOT NULL DEFAULT now()
COLUMN tenants.tenant_id text NOT NULL
COLUMN tenants.name text NOT NULL
COLUMN tenants.shard text NOT NULL
COLUMN tenants.epoch bigint NOT NULL
COLUMN tenants.state text NOT NULL
COLUMN tenants.created_at timestamp with time zone NOT NULL DEFAULT now()

CONSTRAINT schema_migrations.schema_migrations_pkey PRIMARY KEY (number)
CONSTRAINT tenants.tenants_pkey PRIMARY KEY (tenant_id)
CONSTRAINT tenants.tenants_state_check CHECK ((state = ANY (ARRAY['active'::text, 'suspended'::text, 'deleting'::text])))

CREATE UNIQUE INDEX schema_migrations_pkey ON public.schema_migrations USING btree (number)
CREATE UNIQUE INDEX tenants_pkey ON public.tenants USING btree (tenant_id)

GRANT SELECT ON schema_migrations TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON tenants TO parley_app

-- A shard

TABLE archive
TABLE conversations
TABLE members
TABLE messages PARTITION BY RANGE (sent_at)
TABLE messages_default PARTITION DEFAULT
TABLE move_notes
TABLE moves
TABLE placements
TABLE schema_migrations
TABLE usage

COLUMN archive.tenant_id text NOT NULL
COLUMN archive.conversation_id text NOT NULL
COLUMN archive.epoch text NOT NULL
COLUMN archive.page bigint NOT NULL
COLUMN archive.seqs bigint[] NOT NULL
COLUMN archive.sent_ats timestamp with time zone[] NOT NULL
COLUMN archive.user_ids text[] NOT NULL
COLUMN archive.clients text[] NOT NULL
COLUMN archive.client_ids text[] NOT NULL
COLUMN archive.bodies text[] NOT NULL
COLUMN conversations.tenant_id text NOT NULL
COLUMN conversations.conversation_id text NOT NULL
COLUMN conversations.type text NOT NULL
COLUMN conversations.name text NOT NULL
COLUMN conversations.epoch text NOT NULL
COLUMN conversations.created_by text NOT NULL
COLUMN conversations.created_at timestamp with time zone NOT NULL
COLUMN conversations.deleted_at timestamp with time zone
COLUMN conversations.version bigint NOT NULL
COLUMN conversations.properties text
COLUMN members.tenant_id text NOT NULL
COLUMN members.conversation_id text NOT NULL
COLUMN members.user_id text NOT NULL
COLUMN members.role text NOT NULL
COLUMN members.joined_at timestamp with time zone NOT NULL
COLUMN members.version bigint NOT NULL
COLUMN messages.tenant_id text NOT NULL
COLUMN messages.conversation_id text NOT NULL
COLUMN messages.seq bigint NOT NULL
COLUMN messages.sent_at timestamp with time zone NOT NULL
COLUMN messages.epoch text NOT NULL
COLUMN messages.user_id text NOT NULL
COLUMN messages.client text NOT NULL
COLUMN messages.client_id text
COLUMN messages.body text NOT NULL
COLUMN messages_default.tenant_id text NOT NULL
COLUMN messages_default.conversation_id text NOT NULL
COLUMN messages_default.seq bigint NOT NULL
COLUMN messages_default.sent_at timestamp with time zone NOT NULL
COLUMN messages_default.epoch text NOT NULL
COLUMN messages_default.user_id text NOT NULL
COLUMN messages_default.client text NOT NULL
COLUMN messages_default.client_id text
COLUMN messages_default.body text NOT NULL
COLUMN move_notes.tenant_id text NOT NULL
COLUMN move_notes.id bigint NOT NULL
COLUMN move_notes.of_table text NOT NULL
COLUMN move_notes.key json NOT NULL
COLUMN moves.tenant_id text NOT NULL
COLUMN moves.phase text NOT NULL
COLUMN moves.step bigint NOT NULL
COLUMN placements.tenant_id text NOT NULL
COLUMN placements.epoch bigint NOT NULL
COLUMN placements.state text NOT NULL
COLUMN schema_migrations.number integer NOT NULL
COLUMN schema_migrations.ran_at timestamp with time zone NOT NULL DEFAULT now()
COLUMN usage.tenant_id text NOT NULL
COLUMN usage.day date NOT NULL
COLUMN usage.messages bigint NOT NULL DEFAULT 0
COLUMN usage.jobs bigint NOT NULL DEFAULT 0
COLUMN usage.connections_peak bigint NOT NULL DEFAULT 0
COLUMN usage.requests bigint NOT NULL DEFAULT 0
COLUMN usage.commands bigint NOT NULL DEFAULT 0
COLUMN usage.message_bytes bigint NOT NULL DEFAULT 0

CONSTRAINT archive.archive_pkey PRIMARY KEY (tenant_id, conversation_id, epoch, page)
CONSTRAINT conversations.conversations_pkey PRIMARY KEY (tenant_id, conversation_id)
CONSTRAINT conversations.conversations_type_check CHECK ((type = ANY (ARRAY['direct'::text, 'group'::text, 'channel'::text])))
CONSTRAINT members.members_pkey PRIMARY KEY (tenant_id, conversation_id, user_id)
CONSTRAINT messages.messages_pkey PRIMARY KEY (tenant_id, conversation_id, seq, sent_at)
CONSTRAINT messages_default.messages_default_pkey PRIMARY KEY (tenant_id, conversation_id, seq, sent_at)
CONSTRAINT move_notes.move_notes_pkey PRIMARY KEY (tenant_id, id)
CONSTRAINT moves.moves_phase_check CHECK ((phase = ANY (ARRAY['noting'::text, 'fenced'::text, 'arriving'::text, 'closed'::text])))
CONSTRAINT moves.moves_pkey PRIMARY KEY (tenant_id)
CONSTRAINT placements.placements_pkey PRIMARY KEY (tenant_id)
CONSTRAINT placements.placements_state_check CHECK ((state = ANY (ARRAY['active'::text, 'moving'::text, 'gone'::text])))
CONSTRAINT schema_migrations.schema_migrations_pkey PRIMARY KEY (number)
CONSTRAINT usage.usage_pkey PRIMARY KEY (tenant_id, day)

CREATE UNIQUE INDEX archive_pkey ON public.archive USING btree (tenant_id, conversation_id, epoch, page)
CREATE UNIQUE INDEX conversations_pkey ON public.conversations USING btree (tenant_id, conversation_id)
CREATE INDEX members_by_user ON public.members USING btree (tenant_id, user_id)
CREATE UNIQUE INDEX members_pkey ON public.members USING btree (tenant_id, conversation_id, user_id)
CREATE INDEX messages_by_time ON ONLY public.messages USING brin (sent_at)
CREATE UNIQUE INDEX messages_default_pkey ON public.messages_default USING btree (tenant_id, conversation_id, seq, sent_at)
CREATE INDEX messages_default_sent_at_idx ON public.messages_default USING brin (sent_at)
CREATE UNIQUE INDEX messages_pkey ON ONLY public.messages USING btree (tenant_id, conversation_id, seq, sent_at)
CREATE UNIQUE INDEX move_notes_pkey ON public.move_notes USING btree (tenant_id, id)
CREATE UNIQUE INDEX moves_pkey ON public.moves USING btree (tenant_id)
CREATE INDEX moves_under_way ON public.moves USING btree (tenant_id) WHERE (phase <> 'closed'::text)
CREATE INDEX placements_by_id ON public.placements USING btree (tenant_id COLLATE "C") WHERE (state = 'active'::text)
CREATE UNIQUE INDEX placements_pkey ON public.placements USING btree (tenant_id)
CREATE UNIQUE INDEX schema_migrations_pkey ON public.schema_migrations USING btree (number)
CREATE UNIQUE INDEX usage_pkey ON public.usage USING btree (tenant_id, day)

ROW LEVEL SECURITY archive FORCED
ROW LEVEL SECURITY conversations FORCED
ROW LEVEL SECURITY members FORCED
ROW LEVEL SECURITY messages FORCED
ROW LEVEL SECURITY move_notes FORCED
ROW LEVEL SECURITY usage FORCED

POLICY own_tenant ON archive FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON conversations FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON members FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON messages FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON move_notes FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON usage FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)

CREATE OR REPLACE FUNCTION public.begin_move_step(tenant text, number bigint, new_phase text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '3s'
AS $function$
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
END $function$

CREATE OR REPLACE FUNCTION public.create_message_partition(month date)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$

CREATE OR REPLACE FUNCTION public.drop_empty_partitions(month date)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
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
END $function$

CREATE OR REPLACE FUNCTION public.may_see(tenant text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
  SELECT tenant = ANY (string_to_array(current_setting('app.tenants', true), ','))
$function$

CREATE OR REPLACE FUNCTION public.note_changes()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$

CREATE OR REPLACE FUNCTION public.note_changes_of(watched regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$


CREATE TRIGGER note_delete AFTER DELETE ON public.archive REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'epoch', 'page')
CREATE TRIGGER note_insert AFTER INSERT ON public.archive REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'epoch', 'page')
CREATE TRIGGER note_update AFTER UPDATE ON public.archive REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'epoch', 'page')
CREATE TRIGGER note_delete AFTER DELETE ON public.conversations REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id')
CREATE TRIGGER note_insert AFTER INSERT ON public.conversations REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id')
CREATE TRIGGER note_update AFTER UPDATE ON public.conversations REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id')
CREATE TRIGGER note_delete AFTER DELETE ON public.members REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'user_id')
CREATE TRIGGER note_insert AFTER INSERT ON public.members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'user_id')
CREATE TRIGGER note_update AFTER UPDATE ON public.members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'user_id')
CREATE TRIGGER note_delete AFTER DELETE ON public.messages REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq', 'sent_at')
CREATE TRIGGER note_insert AFTER INSERT ON public.messages REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq', 'sent_at')
CREATE TRIGGER note_update AFTER UPDATE ON public.messages REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq', 'sent_at')
CREATE TRIGGER note_delete AFTER DELETE ON public.usage REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('day')
CREATE TRIGGER note_insert AFTER INSERT ON public.usage REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('day')
CREATE TRIGGER note_update AFTER UPDATE ON public.usage REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('day')

GRANT DELETE, INSERT, SELECT, UPDATE ON archive TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON conversations TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON members TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON messages TO parley_app
GRANT DELETE, INSERT, SELECT ON move_notes TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON moves TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON placements TO parley_app
GRANT SELECT ON schema_migrations TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON usage TO parley_app

GRANT EXECUTE ON begin_move_step TO parley_app
GRANT EXECUTE ON create_message_partition TO parley_app
GRANT EXECUTE ON drop_empty_partitions TO parley_app
GRANT EXECUTE ON may_see TO PUBLIC
GRANT EXECUTE ON note_changes TO PUBLIC
