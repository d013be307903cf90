-- The last saves of a session, so that a repeated one is recognised although the session has left Redis. Rows that are there
-- have none: nothing is rewritten.
ALTER TABLE {session} ADD COLUMN operations text;

COMMENT ON COLUMN {session}.operations IS
  'The last saves, at most four, newest first: opId=version opId=version … NULL: none is known.';
