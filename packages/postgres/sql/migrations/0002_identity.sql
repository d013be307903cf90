-- {session_identity}: names this table for good. Redis remembers it, so that its sessions are never synced to, or
-- restored from, another table by mistake. A dump, a restore and a replica keep it. It is no secret, and whoever may
-- read sessions has to be able to compare it.
CREATE TABLE {session_identity} (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id       uuid NOT NULL DEFAULT gen_random_uuid()
);

INSERT INTO {session_identity} DEFAULT VALUES;

GRANT SELECT ON {session_identity} TO PUBLIC;
