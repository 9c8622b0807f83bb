-- what the last complete pass that listed a window saw of how rows and intents belong together
SELECT (s.report ->> 'listed')::float8 / (s.report ->> 'listed_rows')::float8,
    (s.report ->> 'skew_earliest')::float8, (s.report ->> 'skew_latest')::float8
FROM unnest(ARRAY['window', 'all']) AS k (kind)
CROSS JOIN LATERAL (
    SELECT id, report
    FROM reconciler.sweeps
    WHERE account = %(account)s AND kind = k.kind AND complete AND (report ->> 'listed_rows')::float8 > 0
    ORDER BY id DESC
    LIMIT 1
) AS s
ORDER BY s.id DESC
LIMIT 1
