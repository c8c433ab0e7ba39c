-- Search of messages (docs/design/search.md).

-- One row for each message: its text as it is now, and the words that are looked for. `words` and `attached` are written by the
-- Worker in the notation of a tsvector, with ~ where search_terms() puts the tenant and the week.
CREATE TABLE message_search (
  tenant_id text NOT NULL,
  conversation_id text NOT NULL,
  seq bigint NOT NULL,
  -- Seq of the entry that this text is of: the message, its newest edit, or its deletion.
  version bigint NOT NULL,
  -- These are null until the message is written, where an edit or the deletion came before it.
  sent_at timestamptz,
  week int,
  user_id text,
  thread bigint,
  attached text NOT NULL,
  text text NOT NULL,
  words text NOT NULL,
  deleted boolean NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id, seq)
);

-- What search knows of a tenant: `language`, and `filled`, how far older messages have been added.
CREATE TABLE search_settings (
  tenant_id text NOT NULL,
  name text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (tenant_id, name)
);

-- What a row is found by. Each term begins with its tenant and week, so that a search reads the terms of its tenant only, and
-- those of one week after the other.
CREATE FUNCTION search_terms(tenant text, week int, conversation text, author text, attached text, words text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT replace(words || attached || ' ''~@' || left(md5(author), 8) || ''' ''~%' || left(md5(conversation), 8) || '''',
    '~', left(md5(tenant), 4) || week::text || '.')::tsvector
$$;

CREATE INDEX message_search_terms ON message_search
  USING gin (search_terms(tenant_id, week, conversation_id, user_id, attached, words)) WITH (gin_pending_list_limit = 256)
  WHERE week IS NOT NULL AND NOT deleted;
CREATE INDEX message_search_weeks ON message_search (tenant_id, week) WHERE week IS NOT NULL AND NOT deleted;

-- The search itself runs with the rights of the owner, see search_messages(): for all others the policy holds.
ALTER TABLE message_search ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON message_search USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
ALTER TABLE search_settings ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON search_settings USING (may_see(tenant_id)) WITH CHECK (may_see(tenant_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON message_search, search_settings TO parley_app;
SELECT note_changes_of(name::regclass) FROM unnest(ARRAY['message_search', 'search_settings']) AS name;

-- The words of a row with their stems beside them, at the same places; without a language the words alone.
CREATE FUNCTION with_stems(words text, language text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN language IS NULL OR words = '' THEN words ELSE words || coalesce((
    SELECT string_agg(' ''~' || stem || ''':' || array_to_string(positions, ','), '')
    FROM (
      SELECT lexeme, positions, (ts_lexize((language || '_stem')::regdictionary, substr(lexeme, 2)))[1] AS stem
      FROM unnest(words::tsvector) WHERE positions IS NOT NULL
    ) AS stemmed WHERE stem ~ '^[[:alnum:]]+$' AND '~' || stem <> lexeme), '') END
$$;

-- A query in which each whole word may be replaced by its stem in the language of the tenant.
CREATE FUNCTION with_query_stems(pattern text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
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
END $$;

-- The newest messages that have the terms, before a place, at most `wanted`. It looks at the weeks of the tenant in which there are
-- messages, a few at one time, and stops after `max_ms`: a last row without a conversation then has the time from which all has been
-- looked at. At least one of the terms, the author, the conversation and the reader is given. `reader`: only what is in conversations
-- of this user, and in open ones.
-- Row-level security would keep the index from being used, since the operator of the terms is not leakproof. So this runs with the
-- rights of the owner, for exactly the one tenant that the transaction has named.
CREATE FUNCTION search_messages(
  terms text, scored text, reader text, conversation text, author text, in_thread bigint, since timestamptz,
  upto timestamptz, upto_conversation text, upto_seq bigint, wanted int, max_ms int
) RETURNS TABLE (conversation_id text, seq bigint, sent_at timestamptz, score real)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET plan_cache_mode = force_custom_plan SET jit = off AS $$
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
END $$;
REVOKE ALL ON FUNCTION search_messages(text, text, text, text, text, bigint, timestamptz, timestamptz, text, bigint, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_messages(text, text, text, text, text, bigint, timestamptz, timestamptz, text, bigint, int, int) TO parley_app;
