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
TABLE message_search
TABLE messages PARTITION BY RANGE (sent_at)
TABLE messages_default PARTITION DEFAULT
TABLE move_notes
TABLE moves
TABLE placements
TABLE schema_migrations
TABLE search_settings
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
COLUMN message_search.tenant_id text NOT NULL
COLUMN message_search.conversation_id text NOT NULL
COLUMN message_search.seq bigint NOT NULL
COLUMN message_search.version bigint NOT NULL
COLUMN message_search.sent_at timestamp with time zone
COLUMN message_search.week integer
COLUMN message_search.user_id text
COLUMN message_search.thread bigint
COLUMN message_search.attached text NOT NULL
COLUMN message_search.text text NOT NULL
COLUMN message_search.words text NOT NULL
COLUMN message_search.deleted boolean NOT NULL
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
COLUMN search_settings.tenant_id text NOT NULL
COLUMN search_settings.name text NOT NULL
COLUMN search_settings.value text NOT NULL
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
CONSTRAINT message_search.message_search_pkey PRIMARY KEY (tenant_id, conversation_id, seq)
CONSTRAINT messages.messages_pkey PRIMARY KEY (tenant_id, conversation_id, seq, sent_at)
CONSTRAINT messages_default.messages_default_pkey PRIMARY KEY (tenant_id, conversation_id, seq, sent_at)
CONSTRAINT move_notes.move_notes_pkey PRIMARY KEY (tenant_id, id)
CONSTRAINT moves.moves_phase_check CHECK ((phase = ANY (ARRAY['noting'::text, 'fenced'::text, 'arriving'::text, 'closed'::text])))
CONSTRAINT moves.moves_pkey PRIMARY KEY (tenant_id)
CONSTRAINT placements.placements_pkey PRIMARY KEY (tenant_id)
CONSTRAINT placements.placements_state_check CHECK ((state = ANY (ARRAY['active'::text, 'moving'::text, 'gone'::text])))
CONSTRAINT schema_migrations.schema_migrations_pkey PRIMARY KEY (number)
CONSTRAINT search_settings.search_settings_pkey PRIMARY KEY (tenant_id, name)
CONSTRAINT usage.usage_pkey PRIMARY KEY (tenant_id, day)

CREATE UNIQUE INDEX archive_pkey ON public.archive USING btree (tenant_id, conversation_id, epoch, page)
CREATE UNIQUE INDEX conversations_pkey ON public.conversations USING btree (tenant_id, conversation_id)
CREATE INDEX members_by_user ON public.members USING btree (tenant_id, user_id)
CREATE UNIQUE INDEX members_pkey ON public.members USING btree (tenant_id, conversation_id, user_id)
CREATE UNIQUE INDEX message_search_pkey ON public.message_search USING btree (tenant_id, conversation_id, seq)
CREATE INDEX message_search_terms ON public.message_search USING gin (search_terms(tenant_id, week, conversation_id, user_id, attached, words)) WITH (gin_pending_list_limit='256') WHERE ((week IS NOT NULL) AND (NOT deleted))
CREATE INDEX message_search_weeks ON public.message_search USING btree (tenant_id, week) WHERE ((week IS NOT NULL) AND (NOT deleted))
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
CREATE UNIQUE INDEX search_settings_pkey ON public.search_settings USING btree (tenant_id, name)
CREATE UNIQUE INDEX usage_pkey ON public.usage USING btree (tenant_id, day)

ROW LEVEL SECURITY archive FORCED
ROW LEVEL SECURITY conversations FORCED
ROW LEVEL SECURITY members FORCED
ROW LEVEL SECURITY message_search
ROW LEVEL SECURITY messages FORCED
ROW LEVEL SECURITY move_notes FORCED
ROW LEVEL SECURITY search_settings
ROW LEVEL SECURITY usage FORCED

POLICY own_tenant ON archive FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON conversations FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON members FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON message_search FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON messages FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON move_notes FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
POLICY own_tenant ON search_settings FOR ALL USING may_see(tenant_id) CHECK may_see(tenant_id)
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

CREATE OR REPLACE FUNCTION public.search_messages(terms text, scored text, reader text, conversation text, author text, in_thread bigint, since timestamp with time zone, upto timestamp with time zone, upto_conversation text, upto_seq bigint, wanted integer, max_ms integer)
 RETURNS TABLE(conversation_id text, seq bigint, sent_at timestamp with time zone, score real)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_custom_plan'
 SET jit TO 'off'
AS $function$
DECLARE
  tenant text := current_setting('app.tenants', true);
  stemmed text := concat_ws(' & ', nullif(with_query_stems(terms), ''), '''~@' || left(md5(author), 8) || '''',
    '''~%' || left(md5(conversation), 8) || '''');
  scoring tsquery := with_query_stems(scored)::tsquery;
  began timestamptz := clock_timestamp();
  step_began timestamptz;
  step_ms float;
  mine text[];
  lowest int := floor(extract(epoch FROM since) / 604800);
  next int := floor(extract(epoch FROM upto) / 604800);
  weeks int[];
  together int := 1;
  pattern tsquery;
  found_now int;
  left_over int := wanted;
BEGIN
  IF coalesce(tenant, '') = '' OR strpos(tenant, ',') > 0 THEN
    RAISE EXCEPTION 'a search names exactly one tenant in app.tenants' USING ERRCODE = '42501';
  END IF;
  IF reader IS NOT NULL AND conversation IS NULL THEN
    mine := ARRAY(
      SELECT m.conversation_id FROM members m WHERE m.tenant_id = tenant AND m.user_id = reader
      UNION SELECT c.conversation_id FROM conversations c WHERE c.tenant_id = tenant AND c.type = 'channel' AND c.deleted_at IS NULL);
    IF cardinality(mine) = 0 THEN
      RETURN;
    END IF;
    -- Of a few conversations the index itself reads only theirs.
    IF cardinality(mine) <= 50 THEN
      SELECT concat_ws(' & ', stemmed, '(' || string_agg(DISTINCT '''~%' || left(md5(id), 8) || '''', ' | ') || ')')
      INTO stemmed FROM unnest(mine) AS id;
    END IF;
  END IF;
  LOOP
    step_began := clock_timestamp();
    WITH RECURSIVE known(week, number) AS (
      (SELECT m.week, 1 FROM message_search m
       WHERE m.tenant_id = tenant AND m.week BETWEEN lowest AND next AND NOT m.deleted ORDER BY m.week DESC LIMIT 1)
      UNION ALL
      SELECT (SELECT m.week FROM message_search m
        WHERE m.tenant_id = tenant AND m.week BETWEEN lowest AND known.week - 1 AND NOT m.deleted ORDER BY m.week DESC LIMIT 1),
        number + 1
      FROM known WHERE known.week IS NOT NULL AND number < together
    )
    SELECT array_agg(known.week ORDER BY known.week DESC) INTO weeks FROM known WHERE known.week IS NOT NULL;
    EXIT WHEN weeks IS NULL;
    SELECT string_agg('(' || replace(stemmed, '~', left(md5(tenant), 4) || week::text || '.') || ')', ' | ')::tsquery
    INTO pattern FROM unnest(weeks) AS week;
    RETURN QUERY
      SELECT f.conversation_id, f.seq, f.sent_at, CASE WHEN scoring IS NULL THEN 0 ELSE ts_rank(f.words::tsvector, scoring, 1) END
      FROM (
        SELECT m.* FROM message_search m
        WHERE search_terms(m.tenant_id, m.week, m.conversation_id, m.user_id, m.attached, m.words) @@ pattern
          AND m.week IS NOT NULL AND NOT m.deleted OFFSET 0
      ) AS f
      WHERE f.tenant_id = tenant AND (mine IS NULL OR f.conversation_id = ANY (mine))
        AND (conversation IS NULL OR f.conversation_id = conversation) AND (author IS NULL OR f.user_id = author)
        AND (in_thread IS NULL OR f.thread = in_thread OR f.seq = in_thread)
        AND f.sent_at >= since AND (f.sent_at, f.conversation_id, f.seq) < (upto, upto_conversation, upto_seq)
      ORDER BY f.sent_at DESC, f.conversation_id DESC, f.seq DESC LIMIT left_over;
    GET DIAGNOSTICS found_now = ROW_COUNT;
    left_over := left_over - found_now;
    next := weeks[cardinality(weeks)] - 1;
    EXIT WHEN left_over <= 0 OR next < lowest;
    step_ms := extract(epoch FROM clock_timestamp() - step_began) * 1000;
    IF extract(epoch FROM clock_timestamp() - began) * 1000 >= max_ms THEN
      RETURN QUERY SELECT NULL::text, NULL::bigint, to_timestamp((next + 1) * 604800.0), 0::real;
      EXIT;
    END IF;
    together := CASE WHEN step_ms < 5 THEN least(together * 2, 16) WHEN step_ms > 20 THEN 1 ELSE together END;
  END LOOP;
END $function$

CREATE OR REPLACE FUNCTION public.search_terms(tenant text, week integer, conversation text, author text, attached text, words text)
 RETURNS tsvector
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT replace(words || attached || ' ''~@' || left(md5(author), 8) || ''' ''~%' || left(md5(conversation), 8) || '''',
    '~', left(md5(tenant), 4) || week::text || '.')::tsvector
$function$

CREATE OR REPLACE FUNCTION public.with_query_stems(pattern text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
  dictionary regdictionary;
  word text;
  stem text;
BEGIN
  SELECT (value || '_stem')::regdictionary INTO dictionary FROM search_settings
  WHERE tenant_id = current_setting('app.tenants', true) AND name = 'language';
  IF dictionary IS NULL THEN
    RETURN pattern;
  END IF;
  FOR word IN SELECT DISTINCT matched[1] FROM regexp_matches(pattern, '''~([^+@%''][^'']*)''(?!:)', 'g') AS matched LOOP
    stem := (ts_lexize(dictionary, word))[1];
    CONTINUE WHEN stem IS NULL OR stem !~ '^[[:alnum:]]+$' OR stem = word;
    pattern := regexp_replace(pattern, '''~' || word || '''(?!:)', '(''~' || word || ''' | ''~' || stem || ''')', 'g');
  END LOOP;
  RETURN pattern;
END $function$

CREATE OR REPLACE FUNCTION public.with_stems(words text, language text)
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  SELECT CASE WHEN language IS NULL OR words = '' THEN words ELSE words || coalesce((
    SELECT string_agg(' ''~' || stem || ''':' || array_to_string(positions, ','), '')
    FROM (
      SELECT lexeme, positions, (ts_lexize((language || '_stem')::regdictionary, substr(lexeme, 2)))[1] AS stem
      FROM unnest(words::tsvector) WHERE positions IS NOT NULL
    ) AS stemmed WHERE stem ~ '^[[:alnum:]]+$' AND '~' || stem <> lexeme), '') END
$function$


CREATE TRIGGER note_delete AFTER DELETE ON public.archive REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'epoch', 'page')
CREATE TRIGGER note_insert AFTER INSERT ON public.archive REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'epoch', 'page')
CREATE TRIGGER note_update AFTER UPDATE ON public.archive REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'epoch', 'page')
CREATE TRIGGER note_delete AFTER DELETE ON public.conversations REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id')
CREATE TRIGGER note_insert AFTER INSERT ON public.conversations REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id')
CREATE TRIGGER note_update AFTER UPDATE ON public.conversations REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id')
CREATE TRIGGER note_delete AFTER DELETE ON public.members REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'user_id')
CREATE TRIGGER note_insert AFTER INSERT ON public.members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'user_id')
CREATE TRIGGER note_update AFTER UPDATE ON public.members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'user_id')
CREATE TRIGGER note_delete AFTER DELETE ON public.message_search REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq')
CREATE TRIGGER note_insert AFTER INSERT ON public.message_search REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq')
CREATE TRIGGER note_update AFTER UPDATE ON public.message_search REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq')
CREATE TRIGGER note_delete AFTER DELETE ON public.messages REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq', 'sent_at')
CREATE TRIGGER note_insert AFTER INSERT ON public.messages REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq', 'sent_at')
CREATE TRIGGER note_update AFTER UPDATE ON public.messages REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('conversation_id', 'seq', 'sent_at')
CREATE TRIGGER note_delete AFTER DELETE ON public.search_settings REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('name')
CREATE TRIGGER note_insert AFTER INSERT ON public.search_settings REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('name')
CREATE TRIGGER note_update AFTER UPDATE ON public.search_settings REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('name')
CREATE TRIGGER note_delete AFTER DELETE ON public.usage REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('day')
CREATE TRIGGER note_insert AFTER INSERT ON public.usage REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('day')
CREATE TRIGGER note_update AFTER UPDATE ON public.usage REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION note_changes('day')

GRANT DELETE, INSERT, SELECT, UPDATE ON archive TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON conversations TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON members TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON message_search TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON messages TO parley_app
GRANT DELETE, INSERT, SELECT ON move_notes TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON moves TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON placements TO parley_app
GRANT SELECT ON schema_migrations TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON search_settings TO parley_app
GRANT DELETE, INSERT, SELECT, UPDATE ON usage TO parley_app

GRANT EXECUTE ON begin_move_step TO parley_app
GRANT EXECUTE ON create_message_partition TO parley_app
GRANT EXECUTE ON drop_empty_partitions TO parley_app
GRANT EXECUTE ON may_see TO PUBLIC
GRANT EXECUTE ON note_changes TO PUBLIC
GRANT EXECUTE ON search_messages TO parley_app
GRANT EXECUTE ON search_terms TO PUBLIC
GRANT EXECUTE ON with_query_stems TO PUBLIC
GRANT EXECUTE ON with_stems TO PUBLIC
