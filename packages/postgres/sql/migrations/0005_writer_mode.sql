-- {session_mode}: who may write the sessions of a scope (docs/decisions/0009). A scope is a partition: 'p:0', 'p:1', …
-- Without a row nobody writes directly: the sessions of the partition come from Redis.
CREATE TABLE {session_mode} (
  scope      text COLLATE "C" PRIMARY KEY,
  mode       text NOT NULL CHECK (mode IN ('direct', 'to_redis', 'redis', 'to_direct')),
  term       bigint NOT NULL CHECK (term > 0),
  period     bigint NOT NULL DEFAULT 0,
  floor      bigint NOT NULL DEFAULT 0,
  changed_at timestamptz NOT NULL DEFAULT now(),
  changed_by text NOT NULL
) WITH (fillfactor = 10);

-- Every write asks it, so whoever may write sessions has to be able to read it. It is no secret.
GRANT SELECT ON {session_mode} TO PUBLIC;

COMMENT ON TABLE {session_mode} IS 'Who may write the sessions of a partition. Changed only by compare-and-set on term.';
COMMENT ON COLUMN {session_mode}.term IS 'Rises with each change of the mode.';
COMMENT ON COLUMN {session_mode}.period IS 'The term with which the present time in Redis began.';
COMMENT ON COLUMN {session_mode}.floor IS 'Each version that is issued from now on is above it.';

-- {session_fence}: what a transaction that writes directly asks first. Nobody changes the mode of the partition until
-- it ends. The lock first, in a statement of its own: a snapshot that is older than the lock may have a mode that is
-- over. It is an advisory lock because its queue is fair: writers that share a lock on the row overtake the one that
-- wants to change it.
--
-- READ COMMITTED only: with one snapshot for all of the transaction it would not see a change.
-- mode: NULL = the sessions come from Redis; 'other_layout' = the data has another number of partitions.
CREATE FUNCTION {session_fence}(
  of_partition integer, of_partitions integer,
  OUT mode text, OUT floor bigint
) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(({session_literal}::regclass::oid::bigint << 32) | of_partition);
  SELECT CASE WHEN layout.partitions = of_partitions THEN scoped.mode ELSE 'other_layout' END, scoped.floor
  INTO mode, floor
  FROM {session_layout} AS layout
  LEFT JOIN {session_mode} AS scoped ON scoped.scope = 'p:' || of_partition;
END
$$;

-- {session_save}: a save that goes directly to the table, as save.lua does it in Redis. Deleting is saving a tombstone.
--
-- new_state   NULL = a tombstone
-- op_id       the same id again is answered and not applied, while it is among the session's last four operations
-- if_version  NULL = no condition; 0 = only if there is no session, or a tombstone; else the expected version
-- outcome     'saved' | 'replayed' (as that version) | 'conflict' (version: what is there, 0 = nothing)
--             | 'moved' (nothing was written; mode as {session_fence} gives it)
CREATE FUNCTION {session_save}(
  of_partition integer, of_partitions integer, of_tenant text, of_user text, new_state jsonb, op_id text, if_version bigint,
  OUT outcome text, OUT version bigint, OUT mode text
) LANGUAGE plpgsql AS $$
DECLARE
  allowed record;
  stored  record;
  known   bigint;
  found_at integer;
  next    bigint;
  written bigint;
BEGIN
  SELECT * INTO allowed FROM {session_fence}(of_partition, of_partitions);
  IF allowed.mode IS DISTINCT FROM 'direct' THEN
    outcome := 'moved';
    mode := allowed.mode;
    RETURN;
  END IF;
  -- Again when another save inserted the row meanwhile.
  FOR attempt IN 1 .. 3 LOOP
    SELECT held.version, ' ' || held.operations AS operations, held.state IS NULL AS is_tombstone INTO stored
    FROM {session} AS held
    WHERE held.tenant_id = of_tenant AND held.user_id = of_user
    FOR NO KEY UPDATE;
    known := coalesce(stored.version, 0);
    found_at := position(' ' || op_id || '=' IN coalesce(stored.operations, ''));
    IF found_at > 0 THEN
      outcome := 'replayed';
      version := substring(substr(stored.operations, found_at + length(op_id) + 2) FROM '^\d+');
      RETURN;
    END IF;
    IF if_version <> known AND NOT (if_version = 0 AND stored.is_tombstone) THEN
      outcome := 'conflict';
      version := known;
      RETURN;
    END IF;
    -- Read after the row was locked: the clock of a save that waited is not behind the one before it.
    next := greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, known + 1, allowed.floor + 1);
    IF known > 0 THEN
      UPDATE {session} AS held
      SET state = new_state,
          version = next,
          updated_at = to_timestamp(next / 1e6),
          synced_at = clock_timestamp(),
          operations = op_id || '=' || next || coalesce(substring(stored.operations FROM '^(?: \S+){1,3}'), '')
      WHERE held.tenant_id = of_tenant AND held.user_id = of_user
      RETURNING held.version INTO written;
    ELSE
      INSERT INTO {session} AS held (tenant_id, user_id, state, version, created_at, updated_at, synced_at, operations)
      VALUES (of_tenant, of_user, new_state, next, to_timestamp(next / 1e6), to_timestamp(next / 1e6), clock_timestamp(),
              op_id || '=' || next)
      ON CONFLICT (tenant_id, user_id) DO NOTHING
      RETURNING held.version INTO written;
    END IF;
    IF written = next THEN
      outcome := 'saved';
      version := next;
      RETURN;
    END IF;
    EXIT WHEN written IS NOT NULL;
  END LOOP;
  -- The same class as a violated constraint: this row is refused, and no other.
  RAISE EXCEPTION 'the session was not written as given' USING ERRCODE = '23000', HINT = 'look at the triggers of the table';
END
$$;
