-- {session}: one row a session, written only by the version-guarded upsert.
-- A state of NULL is a tombstone: the session was deleted at that version.
-- No index on version or updated_at: with one, no update is HOT. COLLATE "C": no two keys of Redis meet in one row.
-- The fillfactor leaves room on the page for HOT updates.
CREATE TABLE {session} (
  tenant_id  text COLLATE "C" NOT NULL,
  user_id    text COLLATE "C" NOT NULL,
  state      jsonb,
  version    bigint NOT NULL CHECK (version > 0),
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  synced_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, user_id)
) WITH (
  fillfactor = 80,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  toast.autovacuum_vacuum_scale_factor = 0.02
);

-- Not every build of PostgreSQL has lz4.
DO $$
BEGIN
  ALTER TABLE {session} ALTER COLUMN state SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
  NULL;
END
$$;

COMMENT ON TABLE {session} IS 'Chat-bot sessions, synced here from Redis. version only grows.';
COMMENT ON COLUMN {session}.state IS 'NULL: the session was deleted at this version.';
COMMENT ON COLUMN {session}.version IS 'Microseconds of a hybrid logical clock; issued by Redis.';
COMMENT ON COLUMN {session}.updated_at IS 'When the bot saved this version.';
COMMENT ON COLUMN {session}.synced_at IS 'When this version was written here.';

-- {session_conflict}: every state that lost to a newer row, for a person to look at.
CREATE TABLE {session_conflict} (
  tenant_id       text COLLATE "C" NOT NULL,
  user_id         text COLLATE "C" NOT NULL,
  version         bigint NOT NULL,
  state           jsonb,
  winning_version bigint NOT NULL,
  recorded_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, version)
);

-- {session_layout}: what the data was written with. One row, compared at every start.
CREATE TABLE {session_layout} (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  partitions integer NOT NULL,
  hash       text NOT NULL,
  protocol   integer NOT NULL
);
