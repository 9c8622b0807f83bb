-- for each kind: the last complete pass, the last that ended, and whether one is running. The kinds are found by the
-- index, one after the other: there are four of them among hundreds of thousands of passes
WITH RECURSIVE k (kind) AS (
    (SELECT kind FROM reconciler.sweeps WHERE account = %(account)s ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (SELECT s.kind FROM reconciler.sweeps AS s WHERE s.account = %(account)s AND s.kind > k.kind ORDER BY s.kind LIMIT 1)
    FROM k
    WHERE k.kind IS NOT NULL
)
SELECT k.kind,
    done.id, done.finished_at, extract(epoch FROM clock_timestamp() - done.finished_at)::float8,
    done.asked_by, last.id, last.finished_at, last.complete, last.report ->> 'stopped'
FROM k
LEFT JOIN LATERAL (
    SELECT id, finished_at, asked_by FROM reconciler.sweeps
    WHERE account = %(account)s AND kind = k.kind AND complete ORDER BY id DESC LIMIT 1
) AS done ON true
LEFT JOIN LATERAL (
    SELECT id, finished_at, complete, report FROM reconciler.sweeps
    WHERE account = %(account)s AND kind = k.kind AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1
) AS last ON true
WHERE k.kind IS NOT NULL
ORDER BY k.kind
