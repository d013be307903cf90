-- Returns the writer mode of each partition that has one: partition integer, mode, term text, period text, floor text,
-- changed_at timestamptz, changed_by
SELECT substr(scope, 3)::integer AS partition, mode, term::text AS term, period::text AS period, floor::text AS floor,
       changed_at, changed_by
FROM {session_mode}
WHERE scope LIKE 'p:%'
ORDER BY partition
